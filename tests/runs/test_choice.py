"""Which networks are kept: several only if they are clearly better on validation."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from polytask.config import make_config
from polytask.runs import pipeline
from polytask.runs.keep import grouping_pays, surely_better
from polytask.runs.trainings import budgets
from polytask.task import Task
from small_table import assert_refused, fit, table_rows, write_table


def test_several_networks_need_a_gain_above_its_standard_error() -> None:
    base = {"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.5}
    assert grouping_pays(dict.fromkeys(base, 0.51), base)
    assert not grouping_pays(base, base)
    assert not grouping_pays({"a": 0.6, "b": 0.48, "c": 0.5, "d": 0.5}, base)
    assert not grouping_pays(dict.fromkeys(base, 0.49), base)


def test_more_networks_than_targets_are_one_each_at_most() -> None:
    config = make_config({"data": "t.csv", "targets": ["a", "b", "c"], "networks": 9})
    trainer = SimpleNamespace(config=config, data=SimpleNamespace(tasks=config.targets))
    assert budgets(trainer) == [3]


@pytest.mark.parametrize("pays", [False, True])
def test_auto_keeps_what_is_better_and_records_it(pays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "grouping_pays", lambda grouped, together: pays)
    monkeypatch.setattr("polytask.runs.choice.choose_budget", lambda curve: 2)
    data = write_table(tmp_path / "table.csv", table_rows())
    result = fit(data, tmp_path / "run", "--steps", 40, "--no-baselines", "--quiet")
    assert result.exit_code == 0, result.output
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    compared = selection["compared"]
    assert compared["kept"] == ("grouped" if pays else "all_in_one")
    trainings = results["totals"]["trainings"]
    assert len(list((tmp_path / "run" / "networks").iterdir())) == len(selection["networks"]) == len(trainings)
    assert {name: entry["network"] for name, entry in results["tasks"].items()} == selection["serves"]
    for name, network in selection["serves"].items():
        assert name in selection["networks"][network]
        expected = compared["moved"].get(name)
        if expected is not None:
            assert trainings[network] == expected
        else:
            assert trainings[network].startswith("network_" if pays else "all_in_one_network")
    planned = selection if trainings == ["network_0", "network_1"] else selection["planned"]
    assert len(planned["networks"]) == 2
    assert {"grouped", "all_in_one"} == set(compared["skill_on_validation"])


def test_a_task_moves_only_to_what_is_surely_better() -> None:
    draw = np.random.default_rng(0)
    task = Task("price", kind="regression")
    targets = torch.from_numpy(draw.normal(size=200))
    noise = [torch.from_numpy(draw.normal(size=200)) for _ in range(2)]
    assert surely_better(task, targets + noise[0], targets + 0.5 * noise[1], targets)
    assert not surely_better(task, targets + 0.5 * noise[1], targets + noise[0], targets)
    small = [0.5 * noise[0], 0.49 * noise[0].flip(0)]
    assert not surely_better(task, targets + small[0], targets + small[1], targets)
    binary = Task("click", kind="binary", metric="roc_auc")
    labels = (targets > 1.5).double()  # few positives: some resamples may have none
    assert surely_better(binary, noise[0], targets, labels)


def test_the_users_groups_are_trained_as_they_are(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    options = ("--grouping", "given", "--groups", "click,size; price,rank", "--no-baselines", "--quiet")
    result = fit(data, tmp_path / "run", *options)
    assert result.exit_code == 0, result.output
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    assert selection["networks"] == [["click", "size"], ["price", "rank"]]
    assert not (tmp_path / "run" / "affinity.json").exists()


def test_pairs_are_trained_for_the_higher_order_approximation(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    options = ("--grouping", "hoa", "--networks", 2, "--steps", 10, "--no-baselines", "--quiet")
    result = fit(data, tmp_path / "run", *options, targets=("click", "price", "rank"))
    assert result.exit_code == 0, result.output
    seconds = json.loads((tmp_path / "run" / "results.json").read_text())["totals"]["seconds_by_phase"]
    assert seconds["subset"] > 0
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    assert set(selection["serves"]) == {"click", "price", "rank"} and len(selection["networks"]) <= 2


@pytest.mark.parametrize("grouping", ["grad_tag", "stg"])
def test_groupings_for_classes(grouping: str, tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    options = ("--grouping", grouping, "--networks", 2, "--no-baselines", "--quiet", "--set", "model.hidden=[16,8]")
    assert_refused(fit(data, tmp_path / "run", *options), f"grouping: {grouping} is for binary and multiclass", "price")
    assert not (tmp_path / "run").exists()
    result = fit(data, tmp_path / "run", *options, targets=("click", "size", "rank"))
    assert result.exit_code == 0, result.output
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    assert set(selection["serves"]) == {"click", "size", "rank"} and len(selection["networks"]) <= 2


def test_wishes_and_a_cap_are_heeded(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    options = ("--networks", 2, "--together", "click,price", "--apart", "size,rank", "--no-baselines", "--quiet")
    assert fit(data, tmp_path / "run", *options).exit_code == 0
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    assert selection["serves"]["click"] == selection["serves"]["price"]
    assert not any({"size", "rank"} <= set(network) for network in selection["networks"])
    assert fit(data, tmp_path / "capped", "--max-cost", 1, "--no-baselines", "--quiet").exit_code == 0
    assert len(json.loads((tmp_path / "capped" / "selection.json").read_text())["networks"]) == 1


def test_probing_that_stops_by_itself_says_so(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    result = fit(data, tmp_path / "run", "--networks", 2, "--no-baselines", "--set", "affinity.stop=confident")
    assert result.exit_code == 0, result.output
    assert "affinity: " in result.stderr and "measured well enough for the choice" in result.stderr
    stop = json.loads((tmp_path / "run" / "affinity.json").read_text())["meta"]["stop"]
    log = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert ('"affinity_stop"' in log) == (stop != "confident")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--grouping", "tagg"), "unknown way 'tagg'"),
        (("--grouping", "given"), "give the tasks of each network"),
        (("--grouping", "given", "--groups", "click;price"), "no network for size, rank"),
        (("--groups", "click;price"), "has an effect only with grouping: given"),
        (("--grouping", "random", "--together", "click,price"), "together: has no effect"),
        (("--together", "click,prize"), "together: 'prize' is not a target"),
        (("--networks", 2, "--max-cost", 3), "max_cost: has an effect only"),
        (("--networks", 1, "--grouping", "hoa"), "grouping: has an effect only"),
        (("--grouping", "given", "--groups", "click,size;price,rank", "--networks", 2), "networks: has no effect"),
    ],
)
def test_keys_that_do_not_fit(options: tuple[object, ...], words: str, tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows(60))
    assert_refused(fit(data, tmp_path / "run", *options), words)
    assert not (tmp_path / "run").exists()
