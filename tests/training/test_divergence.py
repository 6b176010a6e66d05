"""Nothing that is not finite is delivered: a training goes back once with half the learning rate, then gives up."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from polytask import AsynchronousConvergence, Callback, MultiTaskModel, OnlineDistillation, Task, fit
from polytask.balancing import BALANCERS, DWA
from polytask.errors import DivergedError
from polytask.training import EventLog, SequentialConvergence
from polytask.training.callbacks import AffinityProbe
from polytask.training.divergence import all_finite
from small_training import (
    Interrupt,
    assert_same_result,
    make_model,
    make_rows,
    small_settings,
    train,
)

ROWS, VALIDATION = make_rows(missing=0.2), make_rows(60, seed=1)


class Poison(Callback):
    """Makes a gradient NaN before some steps, each once (or always)."""

    name = "poison"

    def __init__(self, *steps: int, always: bool = False) -> None:
        self.steps, self.always = list(steps), always

    def after_backward(self, training: Any, losses: Any) -> None:
        if training.step in self.steps and (self.always or training.recovery.factor == 1.0):
            next(p for p in training.model.parameters() if p.grad is not None).grad.fill_(math.nan)


def poisoned(*steps: int, folder: Path | None = None, log: EventLog | None = None, others: tuple = (), **options: Any):
    convergence = AsynchronousConvergence(patience=1, min_evaluations=2, teachers=2, tail=3)
    return fit(
        make_model(dropout=0.3, norm=True),
        train=ROWS,
        validation=VALIDATION,
        balancer=DWA(),
        callbacks=[Poison(*steps), AffinityProbe(every=3), *(others or [convergence])],
        settings=small_settings(steps=60, checkpoint_seconds=0.0, **options),
        seed=3,
        folder=folder,
        log=log,
    )


def finite(result: Any) -> bool:
    metrics = [value for evaluation in result.history for value in evaluation.validation.values()]
    return all_finite(result.model) and all(map(math.isfinite, metrics))


@pytest.mark.filterwarnings("ignore:.*diverged")
@pytest.mark.parametrize("step", [0, 3, 5, 22, 30])
def test_a_training_goes_back_once_and_reports_it(tmp_path: Path, step: int) -> None:
    log = EventLog(tmp_path / "metrics.jsonl")
    result = poisoned(step, log=log)
    assert finite(result)
    events = [json.loads(line) for line in log.path.read_text().splitlines()]
    (event,) = [event for event in events if event["event"] == "diverged"]
    assert event["back_to"] == step // 4 * 4 and event["learning_rate"] == 0.01 and not event["ended"]
    steps = [evaluation.step for evaluation in result.history]
    assert steps == sorted(set(steps))


@pytest.mark.filterwarnings("ignore:.*diverged")
@pytest.mark.parametrize("interrupted", [2, 8, 9, 10, 11, 13, 21])
def test_resumed_after_or_before_it_is_the_same(tmp_path: Path, interrupted: int) -> None:
    def run(stop: int | None = None, folder: Path | None = None) -> Any:
        convergence = AsynchronousConvergence(patience=1, min_evaluations=2, teachers=2, tail=3)
        return poisoned(10, folder=folder, others=(convergence, Interrupt(stop)))

    with pytest.raises(KeyboardInterrupt):
        run(interrupted, tmp_path)
    assert_same_result(run(folder=tmp_path), run())


@pytest.mark.filterwarnings("ignore:.*diverged")
@pytest.mark.parametrize(
    "other",
    [
        lambda: SequentialConvergence(patience=1, min_evaluations=2, max_stage_steps=12),
        lambda: AsynchronousConvergence(patience=1, min_evaluations=2, soft_labels="online", tail=3),
        lambda: OnlineDistillation(),
    ],
)
@pytest.mark.parametrize("in_folder", [False, True])
def test_callbacks_go_back_too(tmp_path: Path, other: Any, in_folder: bool) -> None:
    assert finite(poisoned(26, others=(other(),), folder=tmp_path / "training" if in_folder else None))


@pytest.mark.filterwarnings("ignore:.*diverged")
def test_a_second_time_ends_the_training(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"diverged: .* at step 8, also with .*learning_rate"):
        train(Poison(6, always=True), folder=tmp_path)
    steps = [int(path.stem.partition("-")[2]) for path in tmp_path.glob("checkpoint-*")]
    assert max(steps) < 8


def test_a_loss_that_overflows_names_its_task() -> None:
    rows = make_rows()
    rows.targets[3, 1] = 1e30
    with (
        pytest.warns(UserWarning, match="the loss of price is not finite"),
        pytest.raises(DivergedError, match="price"),
    ):
        train(train=rows)


@pytest.mark.filterwarnings("ignore:.*diverged")
@pytest.mark.parametrize("balance", ["equal", "uw", "gradnorm", "pcgrad", "famo", "imtl_l"])
def test_a_rate_far_too_high_is_refused_or_survived(balance: str) -> None:
    options = {"optimizer": "sgd", "learning_rate": 1e6, "momentum": 0.9}
    try:
        result = train(balancer=BALANCERS[balance](), settings=options)
    except DivergedError as error:
        assert "finite" in str(error)
    else:
        assert finite(result)


@pytest.mark.parametrize(("rate", "size"), [(1e3, 1.0), (1e6, 1e4), (1e-3, 1e4)])
def test_a_finite_loss_beyond_all_bounds_is_no_success(rate: float, size: float) -> None:
    """Labels far from 0 are no divergence."""
    x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    model = MultiTaskModel(torch.nn.Linear(4, 8), [Task("y", "regression")])
    labels = (x, {"y": size * (x[:, 0] + 1)})
    with nullcontext() if rate < 1 else pytest.raises(DivergedError, match="the loss of y was at every evaluation"):
        fit(model, train=labels, validation=labels, settings=small_settings(steps=20, learning_rate=rate))


def test_only_finite_checkpoints_are_written(tmp_path: Path) -> None:
    """An interruption while parameters are NaN leaves the last good state."""
    with pytest.raises(KeyboardInterrupt):
        train(Poison(6, always=True), Interrupt(7), folder=tmp_path, settings={"checkpoint_seconds": 0.0})
    from polytask.training.trees import load_tree

    newest = max(tmp_path.glob("checkpoint-*"), key=lambda path: int(path.stem.partition("-")[2]))
    state = load_tree(newest)
    assert state["step"] <= 6 and all(bool(torch.isfinite(value).all()) for value in state["model"].values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_one_number_that_is_not_finite_is_found(dtype: torch.dtype) -> None:
    layer = torch.nn.Linear(3, 2, dtype=dtype)
    layer.register_buffer("largest", torch.tensor([torch.finfo(dtype).max, torch.finfo(dtype).min], dtype=dtype))
    layer.register_buffer("nothing", torch.zeros(0))
    assert all_finite(layer)
    for value in (math.nan, math.inf, -math.inf):
        with torch.no_grad():
            layer.weight[1, 2] = value
        assert not all_finite(torch.nn.Linear(1, 1), layer)


@pytest.mark.parametrize("largest", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_modules_of_different_precision_are_looked_at_together(largest: torch.dtype) -> None:
    """Numbers that one of them cannot hold are finite in another."""
    layers = [torch.nn.Linear(2, 1).to(kind) for kind in (torch.float32, torch.float16, torch.bfloat16, torch.float64)]
    layers[0].to(largest).weight.data.fill_(torch.finfo(largest).max)
    assert all_finite(*layers)
    for layer in layers:
        layer.bias.data.fill_(math.inf)
        assert not all_finite(*layers)
        layer.bias.data.fill_(0.0)
