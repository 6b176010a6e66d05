"""Networks that train in processes side by side: the run is the same as one after the other."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from killable import Uninterrupted, assert_same, dying, finish, start
from small_table import assert_refused, fit, polytask, table_rows, write_table

TWO = ("--jobs", 2)


@pytest.mark.slow
def test_a_run_of_two_processes_equals_one_of_one(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    assert finish(*uninterrupted.options, *TWO, "--out", tmp_path / "run") == 0
    assert_same(tmp_path / "run", uninterrupted.outcome)
    seconds = json.loads((tmp_path / "run" / "results.json").read_text())["totals"]["seconds_by_phase"]
    assert all(value > 0 for value in seconds.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "then"),
    [
        ("network_1", TWO),
        pytest.param("all_in_one", TWO, marks=pytest.mark.slow),
        pytest.param("single_task_2", (), marks=pytest.mark.slow),
    ],
)
def test_killed_and_continued(
    uninterrupted: Uninterrupted, tmp_path: Path, stage: str, then: tuple[object, ...]
) -> None:
    run = tmp_path / "run"
    command = (*uninterrupted.options, "--out", run, "--resume")
    assert kill_when(run / "trainings" / stage, *command, *TWO)
    assert finish(*command, *then) == 0
    assert_same(run, uninterrupted.outcome)


@pytest.mark.slow
def test_begun_alone_and_continued_side_by_side(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = (*uninterrupted.options, "--out", run, "--resume")
    assert kill_when(run / "trainings" / "single_task_1", *command)
    assert finish(*command, *TWO) == 0
    assert_same(run, uninterrupted.outcome)


def kill_when(training: Path, *arguments: object) -> bool:
    """Start the command and kill it once a training has a checkpoint of some steps; False if it was done before."""
    process = start(*arguments)
    while process.exitcode is None:
        steps = [int(path.stem.partition("-")[2]) for path in training.glob("checkpoint-*.safetensors")]
        if max(steps, default=0) >= 2:
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            return True
        time.sleep(0.002)
    return False


def test_a_process_that_dies_is_made_up_for(uninterrupted: Uninterrupted, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr("polytask.runs.side_by_side.lane", dying)
    result = polytask(*[part for part in uninterrupted.options if part != "--quiet"], *TWO, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "ended early (the process ended with status 9" in result.stderr
    assert_same(tmp_path / "run", uninterrupted.outcome)


@pytest.mark.slow
def test_a_request_to_end_leaves_a_run_that_can_go_on(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = (*uninterrupted.options, *TWO, "--out", run, "--resume")
    process = start(*command)
    while process.exitcode is None and not list(run.glob("trainings/network_0/checkpoint-*")):
        time.sleep(0.005)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 130
    assert finish(*command) == 0
    assert_same(run, uninterrupted.outcome)


@pytest.mark.slow
def test_auto_and_pairs_train_side_by_side(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    options = ("--grouping", "hoa", "--steps", 10, "--no-baselines", "--quiet")
    runs = tmp_path / "one", tmp_path / "two"
    for run, jobs in zip(runs, (1, 2), strict=True):
        result = fit(data, run, *options, "--jobs", jobs, targets=("click", "price", "rank"))
        assert result.exit_code == 0, result.output
    one, two = (json.loads((run / "selection.json").read_text()) for run in runs)
    assert one == two
    one, two = ([json.loads(line)["event"] for line in (run / "metrics.jsonl").read_text().splitlines()]
                for run in runs)  # fmt: skip
    assert one == two


def test_side_by_side_or_together(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows(60))
    assert_refused(
        fit(data, tmp_path / "run", *TWO, "--devices", 2), "jobs: networks train side by side (2)", "not both"
    )
    assert_refused(fit(data, tmp_path / "run", "--jobs", 0), "jobs must be", "at least 1")
    assert not (tmp_path / "run").exists()
