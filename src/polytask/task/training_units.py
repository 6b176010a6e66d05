"""What a task of numbers learns from its training labels: its scale, and bounds of its predictions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from .task import Task
from .units import AUTO, TRANSFORMS, heavy_tailed

#: Training labels from which one that was never below 0 is taken not to be.
FEWEST = 30


def in_training_units(task: Task, values: np.ndarray) -> Task:
    """The task with center and scale of its transformed training labels ``[n]`` float64, without NaN.

    A transformation ``auto`` becomes ``log`` where the labels have a heavy tail
    (:func:`~polytask.task.units.heavy_tailed`), and none elsewhere. A scale of 0 states that all labels are equal.
    """
    if task.transform == AUTO:
        task = replace(task, transform="log" if heavy_tailed(values) else "")
    if task.transform and not task.parameters:
        task = replace(task, parameters=TRANSFORMS[task.transform].fit(values))
    if task.transform:
        values = TRANSFORMS[task.transform].forward(torch.from_numpy(values), task.parameters).numpy()
    center, scale = task.definition.units(values)
    return replace(task, center=center, scale=scale) if scale > 0 else replace(task, center=center)


def bounded(task: Task, values: np.ndarray) -> Task:
    """The task with bounds of its predictions: those that it has, else at least 0 where no label is below.

    Infinite bounds ask for none.

    Example:
        >>> bounded(Task("cost", kind="regression"), np.arange(50.0)).low
        0.0
    """
    low, high = task.low, task.high
    if low is None and len(values) >= FEWEST and values.min() >= 0:
        low = 0.0
    return replace(task, low=_finite(low), high=_finite(high))


def _finite(bound: float | None) -> float | None:
    return None if bound is None or math.isinf(bound) else bound
