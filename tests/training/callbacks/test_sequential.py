"""Sequential convergence: one task after the other, converged ones on soft labels, later ones untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from polytask import Callback, SequentialConvergence, UserError
from polytask.data import Batch
from polytask.training import Evaluation, Training
from small_training import RARE, TASKS, assert_same_result, make_model, make_rows, train

NAMES = [task.name for task in TASKS]
QUICK: dict[str, Any] = {"patience": 2, "min_evaluations": 2, "max_stage_steps": 12}


class Watch(Callback):
    """Notes which tasks learn, and the heads, at every evaluation."""

    def __init__(self) -> None:
        self.labels: list[dict[str, int]] = []
        self.heads: list[torch.Tensor] = []
        self.soft: list[list[int]] = []

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        self.labels.append(evaluation.labels)
        self.heads.append(training.model.heads.wide.weight.detach().clone())
        self.soft.append(sorted(training.objective.soft))


def test_tasks_join_in_order_and_later_heads_do_not_move() -> None:
    watch, method = Watch(), SequentialConvergence(**QUICK)
    model = make_model()
    initial = model.heads.wide.weight.detach().clone()
    train(watch, method, model=model, settings={"steps": 200, "weight_decay": 0.1})
    learning = [[name for name, count in labels.items() if count] for labels in watch.labels]
    assert learning[0] == NAMES[:1] and learning[-1] == NAMES
    assert all(names == NAMES[: len(names)] for names in learning)
    last = model.heads.task_rows(3)
    first_with_all = next(k for k, names in enumerate(learning) if len(names) == 4)
    assert all(torch.equal(heads[last], initial[last]) for heads in watch.heads[:first_with_all])
    assert not torch.equal(watch.heads[-1][last], initial[last])
    assert list(method.converged_at) == NAMES and method.finished


def test_the_stage_of_a_task_has_its_forerunners_on_soft_labels() -> None:
    watch = Watch()
    train(watch, SequentialConvergence(order=list(reversed(NAMES)), **QUICK), settings={"steps": 200})
    assert [3] in watch.soft and [2, 3] in watch.soft and [1, 2, 3] in watch.soft
    assert all(soft in ([], [3], [2, 3], [1, 2, 3]) for soft in watch.soft)


@pytest.mark.parametrize("teachers", [1, 3])
@pytest.mark.parametrize("min_delta", [0.0, 1.0])  # with the larger one a peak is not the best evaluation
def test_restoring_goes_back_to_the_best_parameters_with_a_fresh_optimiser(teachers: int, min_delta: float) -> None:
    found = []

    class Check(Callback):
        stage = 0

        def before_step(self, training: Training, batch: Batch) -> None:
            method = training.callbacks[0]
            assert isinstance(method, SequentialConvergence)
            if method.stage != self.stage:
                self.stage = method.stage
                best = training.snapshots.load(method.monitors[NAMES[self.stage - 1]].kept_step)
                now = training.model.state_dict()
                found.append(all(torch.equal(now[name], best[name]) for name in best) and not training.optimizer.state)

    class KeepAll(Callback):
        """Keeps every snapshot so that the check can look at them."""

        def needed_snapshots(self) -> set[int]:
            return set(range(0, 401, 4))

    options = QUICK | {"teachers": teachers, "min_delta": min_delta}
    train(SequentialConvergence(**options), Check(), KeepAll(), settings={"steps": 200})
    assert found == [True, True, True]
    train(SequentialConvergence(**options), settings={"steps": 200})  # nobody else keeps what it goes back to


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("largest_first", ["topic", "price", "click", "spam"]),
        ("smallest_first", ["spam", "click", "price", "topic"]),
        ("given", NAMES),
    ],
)
def test_orders_by_the_number_of_labels(order: str, expected: list[str]) -> None:
    rows = make_rows()
    observed = torch.ones_like(rows.targets, dtype=torch.bool)
    for position, missing in enumerate((40, 10, 0, 20)):
        observed[:missing, position] = False
    method = SequentialConvergence(order=order, **QUICK)
    train(method, train=type(rows)(rows.inputs, rows.targets, observed), settings={"steps": 4})
    assert method._queue == expected


def test_random_order_is_a_function_of_the_seed() -> None:
    queues = []
    for seed in (0, 0, 1, 2, 3):
        method = SequentialConvergence(order="random", **QUICK)
        train(method, settings={"steps": 4}, seed=seed)
        queues.append(tuple(method._queue))
    assert queues[0] == queues[1] and len(set(queues)) > 1


@pytest.mark.parametrize("stop", [9, 16, 30])
def test_an_interrupted_run_continues_bit_for_bit(tmp_path: Path, stop: int) -> None:
    class Interrupt(Callback):
        armed = True

        def before_step(self, training: Training, batch: Batch) -> None:
            if training.step == stop and self.armed:
                raise KeyboardInterrupt

    settings = {"steps": 120, "checkpoint_seconds": 0.0, "schedule": "cosine"}
    whole = train(SequentialConvergence(**QUICK), Callback(), settings=settings)
    interrupt = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        train(SequentialConvergence(**QUICK), interrupt, settings=settings, folder=tmp_path)
    interrupt.armed = False
    settings["checkpoint_seconds"] = RARE
    resumed = train(SequentialConvergence(**QUICK), interrupt, settings=settings, folder=tmp_path)
    assert_same_result(resumed, whole, callbacks=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "bigest_first"}, "did you mean"),
        ({"max_stage_steps": 0}, "at least 1"),
        ({"test": "fixed"}, "test: fixed needs fixed_step"),
        ({"patience": 0, "kd_weight": -2.0}, "patience(.|\n)*kd_weight|kd_weight(.|\n)*patience"),
    ],
)
def test_unusable_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SequentialConvergence(**options)
