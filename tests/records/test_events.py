"""The log of a run, also of one that was interrupted and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polytask.records.events import Log, TrainingRecord, read_log
from polytask.records.run import Run


def write(path: Path, *events: dict[str, Any], end: str = "") -> Path:
    path.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events) + end, encoding="utf-8")
    return path


def evaluation(step: int, value: float | None, training: str = "network_0") -> dict[str, Any]:
    common = {"event": "evaluation", "training": training, "step": step, "epoch": step / 10, "time": 100.0 + step}
    return {**common, "validation": {"a": value}, "losses": {"a": 1.0}}


def test_curves_skip_undefined_values(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "m", evaluation(10, 0.5), evaluation(20, None), evaluation(30, 0.7)))
    assert log.trainings["network_0"].curve("a") == [(1.0, 0.5), (3.0, 0.7)]
    assert log.started == 110.0


def test_repeated_steps_of_a_resumed_run_replace_the_first_ones(tmp_path: Path) -> None:
    converged = {"event": "converged", "training": "network_0", "task": "a", "peak": 0.6, "step": 20, "epoch": 2.0}
    events = [evaluation(10, 0.5), evaluation(20, 0.6), converged, evaluation(10, 0.4), evaluation(20, 0.7)]
    training = read_log(write(tmp_path / "m", *events)).trainings["network_0"]
    assert training.curve("a") == [(1.0, 0.4), (2.0, 0.7)]
    assert not training.converged


def test_trainings_are_kept_separate_and_unknown_events_ignored(tmp_path: Path) -> None:
    odd = {"event": "weather", "training": "network_1", "step": 1, "epoch": 0.1, "time": 1.0}
    path = write(tmp_path / "m", evaluation(10, 0.5), odd, {"event": "run_start"}, evaluation(10, 0.9, "single_task.a"))
    trainings = read_log(path).trainings
    assert trainings["single_task.a"].curve("a") == [(1.0, 0.9)]
    assert trainings["network_1"].curve("a") == []


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "m", evaluation(10, 0.5), end='{"event": "evalu'))
    assert len(log.trainings["network_0"].evaluations) == 1


def test_a_line_separator_inside_a_name_does_not_end_the_line(tmp_path: Path) -> None:
    start = {"event": "training_start", "training": "network_0", "tasks": ["a\u2028b"], "step": 0, "epoch": 0.0}
    assert read_log(write(tmp_path / "m", start, evaluation(1, 1.0))).trainings["network_0"].tasks == ["a\u2028b"]


def test_no_log_yet(tmp_path: Path) -> None:
    assert read_log(tmp_path / "m").trainings == {}


def test_the_curve_of_a_task_is_that_of_the_network_that_serves_it() -> None:
    trainings = {name: TrainingRecord(name, ["a", "b"]) for name in ("all_in_one", "network_0", "network_1")}
    run = Run(Path(), selection={"networks": [["a", "b"], ["a", "b"]], "serves": {"a": 1, "b": 0}}, log=Log(trainings))
    assert run.training_of("a") is trainings["network_1"]
    assert run.training_of("b") is trainings["network_0"]
    del trainings["network_0"], trainings["network_1"]
    assert run.training_of("a") is trainings["all_in_one"]


def test_the_curve_of_a_task_that_its_single_task_model_serves_is_that_of_the_model() -> None:
    trainings = {name: TrainingRecord(name, ["a", "b"]) for name in ("all_in_one", "network_0")}
    trainings["single_task.b"] = TrainingRecord("single_task.b", ["b"])
    results = {"tasks": {"a": {"network": 0}, "b": {"network": 1}},
               "totals": {"trainings": ["network_0", "single_task_1"]}}  # fmt: skip
    run = Run(Path(), results=results, log=Log(trainings))
    assert run.training_of("a") is trainings["network_0"] and run.training_of("b") is trainings["single_task.b"]
