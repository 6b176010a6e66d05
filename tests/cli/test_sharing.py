"""``polytask fit --sharing``: runs of every architecture predict, evaluate, and refuse what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polytask.models import ARCHITECTURES
from polytask.runs import Bundle
from small_table import TARGETS, assert_refused, fit, polytask, table_rows, write_table

QUICK = ("--networks", 1, "--no-baselines", "--set", "model.hidden=[16,8]")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.csv", table_rows(150))


@pytest.mark.parametrize("sharing", ARCHITECTURES)
def test_a_run_predicts_and_evaluates(sharing: str, table: Path) -> None:
    run = table.parent / "run"
    result = fit(table, run, "--sharing", sharing, *QUICK)
    assert result.exit_code == 0, result.output
    assert [network.sharing for network in Bundle.load(run).networks] == [sharing]
    assert polytask("predict", run, table, "--out", run.parent / "p.csv").exit_code == 0
    levels = json.loads(polytask("evaluate", run, table, "--json").stdout)
    assert set(levels["tasks"]) == set(TARGETS)


def test_options_reach_the_networks_but_not_the_baselines(table: Path) -> None:
    run = table.parent / "run"
    options = ("--sharing", "cgc", "--set", "sharing_options={experts: 3, task_experts: 2}", "--networks", 1)
    assert fit(table, run, *options).exit_code == 0
    (network,) = Bundle.load(run).networks
    level = network.encoder.levels[0]
    assert (len(level.shared), len(level.own[0])) == (3, 2)
    results = json.loads((run / "results.json").read_text())
    assert set(results["baselines"]) == {"single_task", "all_in_one", "linear"}


def test_a_damaged_description_is_refused(table: Path) -> None:
    run = table.parent / "run"
    assert fit(table, run, "--sharing", "mmoe", *QUICK).exit_code == 0
    file = run / "networks" / "0" / "network.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sharing_options": {"experts": 2}}))
    assert_refused(polytask("predict", run, table, "--out", run.parent / "p.csv"), "network.json", "damaged")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--sharing", "mmo"), ("sharing must be one of hard, mmoe", "found 'mmo'; did you mean 'mmoe'?")),
        (("--set", "sharing_options={experts: 3}"), ("sharing 'hard' has no option 'experts'",)),
        (("--sharing", "mmoe", "--set", "sharing_options={experts: 0}"), ("experts must be at least 1, found 0",)),
        (("--sharing", "mtan", "--set", "model.hidden=[16]"), ("needs at least two", "two hidden widths")),
        (
            ("--sharing", "cross_stitch", "--balance", "gradnorm"),
            ("balancer 'gradnorm'", "sharing 'cross_stitch' has none", "gradients='exact'"),
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    options: tuple[str, ...], parts: tuple[str, ...], table: Path
) -> None:
    assert_refused(fit(table, table.parent / "run", *options), *parts)
    assert not (table.parent / "run").exists()
