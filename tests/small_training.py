"""A training of a tenth of a second for tests, and how two of them are compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polytask import Callback, MultiTaskModel, Rows, Task, TrainingSettings, fit
from polytask.training import TrainingResult

TASKS = (
    Task("spam"),
    Task("price", kind="regression"),
    Task("topic", kind="multiclass", classes=("a", "b", "c")),
    Task("click"),
)
INPUTS = 5
#: For ``checkpoint_seconds`` of a training that is not interrupted (again): nobody would read a checkpoint of it.
RARE = 1000.0


class Interrupt(Callback):
    """Stops the training before a step, once."""

    name = "interrupt"

    def __init__(self, step: int | None = None) -> None:
        self.step = step

    def before_step(self, training: Any, batch: Any) -> None:
        if training.step == self.step:
            self.step = None
            raise KeyboardInterrupt


def make_rows(n: int = 96, missing: float = 0.0, seed: int = 0, tasks: Sequence[Task] = TASKS) -> Rows:
    """Rows that can be learned a little, with a share of the labels missing."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, INPUTS, generator=generator)
    labels = {}
    for index, task in enumerate(tasks):
        score = inputs[:, index % INPUTS] + inputs[:, 0] + torch.randn(n, generator=generator)
        if task.kind != "regression":
            score = torch.bucketize(score, torch.linspace(-1, 1, task.definition.vector_output + 2)[:-1]).float()
            score = score.clamp_max(len(task.classes) - 1)
        score[torch.rand(n, generator=generator) < missing] = math.nan
        labels[task.name] = score
    return Rows.from_labels(inputs, labels, tasks)


def make_model(tasks: Sequence[Task] = TASKS, *, dropout: float = 0.0, norm: bool = False) -> MultiTaskModel:
    """A tiny network with the same numbers each time."""
    torch.manual_seed(5)
    layers: list[nn.Module] = [nn.Linear(INPUTS, 8)]
    layers += [nn.BatchNorm1d(8)] if norm else []
    layers += [nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 6), nn.ReLU()]
    return MultiTaskModel(nn.Sequential(*layers), tasks)


def small_settings(**options: Any) -> TrainingSettings:
    """Forty steps of at most 20 rows with ten evaluations."""
    usual = {"steps": 40, "batch_size": 20, "evaluate_every": 4, "learning_rate": 0.02, "device": "cpu"}
    return TrainingSettings(**{**usual, "patience": 1000, **options})


def train(
    *callbacks: Callback,
    train: Rows | None = None,
    validation: Rows | None = None,
    model: MultiTaskModel | None = None,
    settings: dict[str, Any] | None = None,
    folder: Path | None = None,
    **options: Any,
) -> TrainingResult:
    """:func:`polytask.fit` with small defaults."""
    model = make_model() if model is None else model
    return fit(
        model,
        train=make_rows(tasks=model.tasks) if train is None else train,
        validation=make_rows(600, seed=1, tasks=model.tasks) if validation is None else validation,
        callbacks=callbacks,
        settings=small_settings(**(settings or {})),
        folder=folder,
        **options,
    )


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Places at which two trees are not bit-equal; NaN equals NaN."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        same = one.shape == other.shape and torch.equal(one.nan_to_num(7.5), other.nan_to_num(7.5))
        return [] if same else [where]
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        return [place for key in one for place in differences(one[key], other[key], f"{where}.{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [place for index, (a, b) in pairs for place in differences(a, b, f"{where}[{index}]")]
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return [] if both_nan or one == other else [f"{where}: {one!r} and {other!r}"]


def tree_of(result: TrainingResult, callbacks: bool = True) -> dict[str, Any]:
    """Everything in a result but its time."""
    tree = {
        "model": dict(result.model.state_dict()),
        "tasks": {name: asdict(task) for name, task in result.tasks.items()},
        "epoch": result.epoch,
        "steps": result.steps,
        "history": [asdict(evaluation) for evaluation in result.history],
    }
    return {**tree, "callbacks": result.callbacks} if callbacks else tree


def assert_same_result(one: TrainingResult, other: TrainingResult, callbacks: bool = True) -> None:
    """Weights, results and history are bit-equal."""
    assert differences(tree_of(one, callbacks), tree_of(other, callbacks)) == []
