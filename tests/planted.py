"""A network that was trained for a while on tasks of known groups."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from polytask import Callback, MultiTaskModel, Rows, Task, TrainingSettings, fit
from polytask.grouping.strategies import Joint
from polytask.training import TrainingResult


def planted_tasks(names: Sequence[str], size: int, rows: int = 400) -> tuple[list[Task], Rows, Rows]:
    """Tasks in groups of ``size``: those of a group have the same rule and noise of their own. Every third has three
    classes."""
    draw = torch.Generator().manual_seed(0)
    groups = -(-len(names) // size)
    inputs = torch.randn(2 * rows, 3 * groups, generator=draw)
    tasks, labels = [], {}
    for place, name in enumerate(names):
        score = inputs[:, 3 * (place // size) :][:, :3].sum(1) + 0.7 * torch.randn(2 * rows, generator=draw)
        three = place % 3 == 2
        tasks.append(Task(name, kind="multiclass", classes=("x", "y", "z")) if three else Task(name))
        labels[name] = torch.bucketize(score, torch.tensor([-1.0, 1.0] if three else [0.0])).float()
    whole = Rows.from_labels(inputs, labels, tasks)
    return tasks, whole.subset(torch.arange(rows)), whole.subset(torch.arange(rows, 2 * rows))


def planted_training(names: Sequence[str], size: int, *callbacks: Callback) -> tuple[TrainingResult, Rows, Rows]:
    """A short training for all tasks."""
    tasks, train, validation = planted_tasks(names, size)
    torch.manual_seed(0)
    model = MultiTaskModel(torch.nn.Sequential(torch.nn.Linear(train.inputs.shape[1], 12), torch.nn.ReLU()), tasks)
    settings = TrainingSettings(steps=60, batch_size=32, learning_rate=0.01, evaluate_every=10, device="cpu")
    result = fit(model, train=train, validation=validation, callbacks=callbacks, settings=settings)
    return result, train, validation


def planted(names: Sequence[str], size: int) -> Joint:
    """What a grouping strategy is given."""
    result, train, validation = planted_training(names, size)
    return Joint(result.model, train, validation)
