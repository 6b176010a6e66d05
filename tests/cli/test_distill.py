"""``polytask fit --distill``: composed with networks, balancing, sharing and convergence; shown; resumed; refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polytask.runs import Bundle
from small_table import TARGETS, Called, assert_refused, polytask, table_rows, write_table
from small_table import fit as fit_table


def fit(data: Path, out: Path, *options: object) -> Called:
    """With small networks: several are trained in every test."""
    return fit_table(data, out, "--set", "model.hidden=[16,8]", *options)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("distill") / "table.csv", table_rows(150))


def events(run: Path, name: str) -> list[dict[str, object]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == name]


def test_cooperative_distillation_with_everything_else(table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ("--distill", "scd", "--networks", 1, "--sharing", "mmoe", "--balance", "dwa")
    result = fit(table, run, *options)
    assert result.exit_code == 0, result.output
    (cooperation,) = events(run, "cooperation")
    assert sorted(task for block in cooperation["queue"] for task in block["tasks"]) == sorted(TARGETS)
    assert [event["phase"] for event in events(run, "distillation_phase")][-1] == "final"
    page = (run / "report.html").read_text()
    assert "Distilled block by block: network_0" in page and "Similarity between 4 tasks" in page
    assert 'class="phase"' in page
    assert Bundle.load(run).networks[0].sharing == "mmoe"
    assert polytask("predict", run, table, "--out", tmp_path / "p.csv").exit_code == 0


@pytest.mark.parametrize("method", ["mtlkd", "okd"])
def test_several_networks_without_baselines(method: str, table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = fit(table, run, "--distill", method, "--networks", 2, "--no-baselines", "--converge", "off")
    assert result.exit_code == 0, result.output
    results = json.loads((run / "results.json").read_text())
    assert set(results["tasks"]) == set(TARGETS) and results["baselines"] == {}


def test_options_by_name(table: Path, tmp_path: Path) -> None:
    spec = "{name: scd, blocks: [[click, rank], [size, price]], warmup_epochs: 1, kappa: 0.5}"
    run = tmp_path / "run"
    result = fit(table, run, "--set", f"distill={spec}", "--networks", 1, "--no-baselines", "--converge", "off")
    assert result.exit_code == 0, result.output
    (cooperation,) = events(run, "cooperation")
    blocks = [set(block["tasks"]) for block in cooperation["queue"]]
    assert {"click", "rank"} in blocks and {"size", "price"} in blocks


def test_options_for_all_tasks_reach_networks_of_some(table: Path, tmp_path: Path) -> None:
    """More blocks than a network has tasks, and weights of tasks that are in another one."""
    run = tmp_path / "run"
    spec = f"{{name: scd, blocks: 3, beta: {{{TARGETS[0]}: 0, {TARGETS[3]}: 2}}}}"
    options = ("--networks", 2, "--no-baselines", "--converge", "off")
    result = fit(table, run, "--set", f"distill={spec}", *options)
    assert result.exit_code == 0, result.output
    for cooperation in events(run, "cooperation"):
        assert len(cooperation["queue"]) == min(3, len(cooperation["tasks"]))
    assert events(run, "cooperation")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--distill", "sdc"), ("distill: 'sdc' is not known", "did you mean 'scd'?")),
        (("--set", "distill={name: scd, block: 3}"), ("scd has no option 'block'", "did you mean 'blocks'?")),
        (("--set", "distill={name: mtlkd, beta: -1}"), ("distill: mtlkd: beta must be at least 0",)),
        (("--set", "distill={name: scd, final: up}"), ("final must be at least 0 and at most 1, found 'up'",)),
        (("--set", "distill={name: mtlkd, teachers: 3}"), ("mtlkd has no option 'teachers'",)),
        (("--set", "distill={name: off, beta: 2}"), ("off has no options",)),
        (("--distill", "okd", "--set", "accumulate=2"), ("accumulate: okd must observe the layers",)),
        (("--distill", "okd", "--sharing", "ple"), ("okd needs one representation", "'ple'")),
        (("--set", "distill={name: mtlkd, beta: high}"), ("beta must be at least 0, found 'high'",)),
        (("--set", "distill={name: mtlkd, beta: {clik: 2}}"), ("beta: 'clik' is not a task", "did you mean 'click'?")),
        (("--set", "distill={name: scd, blocks: 9}"), ("blocks: expected auto, blocks, or a number from 1 to 4",)),
        (("--set", "distill={name: scd, blocks: [[click]]}"), ("task 'rank' must be in one block, found it in 0",)),
        (("--set", "distill={name: scd, similarity: rsa}"), ("scd has no option 'similarity'", "known: ")),
        (("--set", "distill=[1]"), ("distill: expected off, mtlkd, okd, scd or best",)),
    ],
)
def test_mistakes_are_refused(options: tuple[str, ...], parts: tuple[str, ...], table: Path, tmp_path: Path) -> None:
    assert_refused(fit(table, tmp_path / "run", *options), *parts)


@pytest.mark.slow
def test_teachers_are_kept_used_again_and_refused_if_they_do_not_fit(table: Path, tmp_path: Path) -> None:
    kept, options = tmp_path / "teachers", ("--distill", "mtlkd", "--networks", 1, "--converge", "off")
    once, again = (tmp_path / name for name in ("once", "again"))
    assert fit(table, once, *options, "--teachers", kept).exit_code == 0
    stamps = {path: path.stat().st_mtime_ns for path in kept.rglob("*.safetensors")}
    assert len(stamps) == len(TARGETS)
    result = fit(table, again, *options, "--teachers", kept)
    assert result.exit_code == 0, result.output
    assert "4 single-task models taken from" in result.output
    assert stamps == {path: path.stat().st_mtime_ns for path in kept.rglob("*.safetensors")}
    first, second = (json.loads((run / "results.json").read_text()) for run in (once, again))
    assert first["tasks"] == second["tasks"] and first["baselines"] == second["baselines"]
    refused = tmp_path / "refused"
    for other in (("--seed", 1), ("--learning-rate", 0.01), ("--set", "model.hidden=[8,8]")):
        result = fit(table, refused, *options, "--teachers", kept, *other)
        assert_refused(result, "teachers:", "'click'", "made from other data, another split or other settings")
        assert not refused.exists()
    assert_refused(fit(table, refused, *options, "--teachers", table), "is a file; give a folder")
