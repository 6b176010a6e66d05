"""Rows that count by their class, for tasks with rare classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..task import Task
from .rows import Rows


def weighted_by_class(rows: Rows, tasks: Sequence[Task]) -> Rows:
    """The rows with the class weights of the tasks, on top of weights that they have.

    ``balanced`` gives a row of class c the weight ``n / (classes * n_c)``, so that every class that occurs counts alike
    and the weights have the mean 1.

    Args:
        rows: Training rows with the columns of the tasks.
        tasks: Those with ``class_weights`` have one class per row.

    Example:
        >>> tasks = [Task("rare", class_weights="balanced"), Task("other")]
        >>> rows = Rows.from_labels(torch.zeros(4, 1), {"rare": torch.tensor([0., 0, 0, 1])}, tasks)
        >>> [round(weight, 2) for weight in weighted_by_class(rows, tasks).weights[:, 0].tolist()]
        [0.67, 0.67, 0.67, 2.0]
    """
    if not any(task.class_weights for task in tasks):
        return rows
    weights = torch.ones(len(rows), 1) if rows.weights is None else rows.weights.cpu()
    weights = weights.expand(-1, len(tasks)).clone()
    for position, task in enumerate(tasks):
        if task.class_weights:
            known = slice(None) if rows.observed is None else rows.observed[:, position].cpu()
            classes = rows.targets[:, position].cpu().long()
            weights[:, position] *= _by_class(task, classes[known])[classes]
    return rows.with_weights(weights)


def _by_class(task: Task, classes: Tensor) -> Tensor:
    """``[C]`` weight of every class, given the classes of the labelled rows."""
    if not isinstance(task.class_weights, str):
        return torch.tensor(task.class_weights)
    counts = torch.bincount(classes, minlength=len(task.classes))
    weights = len(classes) / (int((counts > 0).sum()) * counts.clamp_min(1))
    return torch.where(counts > 0, weights, 1.0)
