"""What is planned for a time limit, and that trainings obey it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import polytask as pt
from polytask.config import make_config
from polytask.errors import UserError
from polytask.ranges import seconds_of
from polytask.runs import fit_run
from polytask.runs.limit import Limit
from polytask.runs.plan import LEAST_STEPS, PLANNED, Speed, make_plan, measured
from polytask.training.callbacks import Deadline

ROWS = SimpleNamespace(rows={"train": range(1000)})


def config(**keys: Any) -> Any:
    return make_config({"data": "t.csv", "targets": ["a", "b", "c"], **keys})


@pytest.mark.parametrize("text", ["10x", "", "-5m", "0s", "m", "1.2.3s", "1h x"])
def test_what_is_no_time_is_refused_before_any_work(text: str) -> None:
    with pytest.raises(UserError, match="time_limit: expected a time above 0"):
        config(time_limit=text)


def test_a_limit_does_not_go_with_models_of_other_runs() -> None:
    with pytest.raises(UserError, match="time_limit: does not go with teachers"):
        config(time_limit="10m", teachers="kept")


@given(left=st.floats(0.1, 1e5), step=st.floats(1e-4, 1.0), evaluation=st.floats(0.0, 2.0))
@settings(max_examples=60, deadline=None)
def test_what_is_planned_fits_into_the_limit_or_is_the_least(left: float, step: float, evaluation: float) -> None:
    speeds = (Speed(step, evaluation), Speed(step / 2, evaluation / 2))
    plan = make_plan(config(), ROWS, speeds, left)  # type: ignore[arg-type]
    full = make_plan(config(), ROWS, speeds)  # type: ignore[arg-type]
    assert plan.steps <= full.steps and plan.trainings <= full.trainings
    assert plan.seconds <= PLANNED * left or plan.steps == LEAST_STEPS
    if plan.trainings < full.trainings:
        assert PLANNED * left < full.seconds


@pytest.mark.parametrize("stalled", range(4))
def test_the_estimate_takes_a_machine_as_busy_as_it_mostly_is(stalled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, processor, calls = [0.0], [0.0], []

    def fit(*_: Any, settings: Any, **__: Any) -> None:
        assert settings.most_steps == settings.steps  # it would go on while a target improves
        worked = 0.05 + 0.01 * settings.steps + 0.1 * -(-settings.steps // settings.evaluate_every)
        processor[0] += worked
        clock[0] += 2 * worked + (30.0 if len(calls) == stalled else 0.0)
        calls.append(settings)

    monkeypatch.setattr("polytask.runs.plan.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("polytask.runs.plan.time.process_time", lambda: processor[0])
    monkeypatch.setattr("polytask.runs.plan.fit", fit)
    monkeypatch.setattr("polytask.runs.plan.network_of", lambda *_: None)
    monkeypatch.setattr("polytask.runs.plan.only_parts_of", lambda _, settings: settings)
    monkeypatch.setattr("polytask.runs.plan.labelled_rows", lambda rows, _: rows)
    data = SimpleNamespace(rows={"train": range(1000), "validation": range(100)}, tasks=[pt.Task("a")], schema=None)
    together, alone = measured(config(targets=["a"]), data)  # type: ignore[arg-type]
    assert together == alone and len(calls) == 4
    assert (together.step, together.evaluation, together.around) == pytest.approx((0.02, 0.2, 0.1))


def test_the_sentence_counts_families_and_the_distilled_network_but_not_their_time() -> None:
    speeds = (Speed(0.01, 0.0), Speed(0.01, 0.0))
    good, best, student = (
        make_plan(config(**keys), ROWS, speeds)  # type: ignore[arg-type]
        for keys in ({}, {"preset": "best"}, {"preset": "best", "distill": "best"})
    )
    assert best.trainings == good.trainings + 5 + 4 and student.trainings == best.trainings + 1
    assert student.seconds > best.seconds > good.seconds
    sentence = student.sentence(config(preset="best", distill="best"), 1000)
    assert "1 distilled network)" in sentence and f"about {student.trainings - 4} trainings" in sentence
    assert "then random_forest, extra_trees, boosting, linear for every target, not included in this time" in sentence
    assert "forest" not in good.sentence(config(), 1000)


def test_networks_that_are_only_trained_to_choose_are_planned() -> None:
    speed = Speed(0.01, 0.1)

    def planned(grouping: str, networks: int | str = 2, **keys: Any) -> int:
        keys |= {"grouping": grouping, "networks": networks, "steps": 1000}
        return make_plan(config(**keys), ROWS, (speed, speed)).sorts["trial network"]

    names = ("tag", "hoa", "exhaustive", "random")
    assert [planned(name) for name in names] == [0, 3, 4, 2]
    assert [planned(name, baselines=False) for name in names] == [0, 6, 7, 2]  # single-task models, too
    assert planned("random", "auto") == 2 + 3


def test_constraints_of_the_user_stay_under_a_limit() -> None:
    speeds = (Speed(1.0, 0.0), Speed(1.0, 0.0))
    for keys in ({"apart": [["a", "b"]]}, {"networks": 2}):
        assert "networks" not in make_plan(config(**keys), ROWS, speeds, 1.0).changes  # type: ignore[arg-type]


def test_a_training_ends_at_its_deadline_with_its_best_evaluation() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 4)
    labels = {"a": (x[:, 0] > 0).float()}
    model = pt.MultiTaskModel(torch.nn.Linear(4, 8), [pt.Task("a")])
    asked = pt.TrainingSettings(steps=100, evaluate_every=10)
    result = pt.fit(model, train=(x, labels), validation=(x, labels), settings=asked, callbacks=[Deadline(0.0)])
    assert result.steps == 10 and len(result.history) == 1
    assert seconds_of("1m") == 60


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_clock_that_is_set_moves_no_deadline(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit.of(1000.0, (600.0, 60.0))
    deadline = Deadline(limit.ends(1))
    monkeypatch.setattr("time.time", lambda: jump)
    assert 890 < limit.ends(3) - time.monotonic() <= 900 and limit.ends(1) - time.monotonic() <= 90
    deadline.after_evaluation(None, None)  # type: ignore[arg-type]
    assert not deadline.finished and not limit.passed
    assert Limit.of(-1.0, (1.0, 1.0)).passed


def test_a_run_with_a_limit_keeps_its_plan(tmp_path: Path) -> None:
    x = torch.randn(120, 3, generator=torch.Generator().manual_seed(0))
    rows = [f"{a:.3f},{b:.3f},{c:.3f},{int(a > 0)},{a + b:.3f}" for a, b, c in x.tolist()]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["x,y,z,sold,price", *rows]) + "\n")
    asked = make_config({"data": str(table), "targets": ["sold", "price"], "time_limit": "2s", "networks": 1})
    results = fit_run(asked, tmp_path / "run")
    stored = json.loads((tmp_path / "run" / "state.json").read_text())["decided"]["plan"]
    assert results["totals"]["steps"] <= stored["changes"].get("steps", 2000)
    assert set(results["tasks"]) == {"sold", "price"}
    assert make_config({**asked.model_dump(by_alias=True), "time_limit": "5m"})  # more time than before is no other run
    assert fit_run(asked, tmp_path / "run", resume=True)["tasks"] == results["tasks"]
