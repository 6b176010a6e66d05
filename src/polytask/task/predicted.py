"""What a task predicts from the outputs of its kind: a threshold between two classes, bounds of numbers."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from ..errors import did_you_mean
from .kind import Kind
from .kinds import KINDS
from .losses import GAMMA
from .units import AUTO, TRANSFORMS

if TYPE_CHECKING:
    from .task import Task

#: Class weights that follow from the training rows.
BALANCED = "balanced"


def with_threshold(kind: Kind, threshold: float) -> Kind:
    """A kind of two classes that predicts the positive one from this probability; all else is the kind's own.

    Example:
        >>> import torch
        >>> with_threshold(KINDS["binary"], 0.2).labels(torch.tensor([0.1, 0.3]))
        tensor([0, 1])
    """

    def labels(predictions: Tensor) -> Tensor:
        return (predictions > threshold).long()

    found = copy.copy(kind)
    vars(found)["labels"] = labels
    return found


def with_temperature(kind: Kind, temperature: float) -> Kind:
    """A kind whose outputs are divided by a temperature, those of the mean of several networks; losses are the kind's.

    Example:
        >>> import torch
        >>> with_temperature(KINDS["binary"], 2.0).predict(torch.tensor([2.0]))
        tensor([0.7311])
    """

    def predict(outputs: Tensor) -> Tensor:
        return kind.predict(outputs / temperature)

    def mean_prediction(outputs: Sequence[Tensor]) -> Tensor:
        return predict(kind.average(outputs))

    found = copy.copy(kind)
    vars(found).update(predict=predict, average=kind.average, mean_prediction=mean_prediction)
    return found


def with_bounds(kind: Kind, low: Tensor | None, high: Tensor | None) -> Kind:
    """A kind of numbers whose predictions are within bounds, in units of training; all else is the kind's own."""

    def within(predictions: Tensor) -> Tensor:
        return predictions.clamp(*(end if end is None else end.to(predictions) for end in (low, high)))

    def predict(outputs: Tensor) -> Tensor:
        return within(kind.predict(outputs))

    def mean_prediction(outputs: Sequence[Tensor]) -> Tensor:
        return within(kind.mean_prediction(outputs))

    found = copy.copy(kind)
    vars(found).update(predict=predict, mean_prediction=mean_prediction)
    return found


def imbalance_problems(task: Task) -> Iterator[str]:
    """Problems with what a task states about its classes."""
    kind = KINDS[task.kind]
    weights = task.class_weights
    if weights and not kind.one_class:
        yield f"class_weights: a {task.kind} task has no classes that rows could be weighted by"
    elif isinstance(weights, str) and weights not in ("", BALANCED):
        yield f"class_weights: expected {BALANCED} or a number for every class, found {weights!r}"
    elif weights and not isinstance(weights, str):
        if len(weights) != len(task.classes):
            yield f"class_weights: expected {len(task.classes)} numbers, found {len(weights)}"
        if not all(0 < weight < math.inf for weight in weights):
            yield f"class_weights: must be more than 0 and finite, found {list(weights)}"
    if not 0 <= task.gamma < math.inf:
        yield f"gamma: must be at least 0 and finite, found {task.gamma}"
    elif task.gamma != GAMMA and "focal" not in dict(task.losses):
        yield "gamma: needs the focal loss, which the task does not use; give losses {focal: 1}"
    if task.threshold != 0.5 and not kind.thresholded:
        yield f"threshold: applies to two classes, and a {task.kind} task has others"
    elif not 0 < task.threshold < 1:
        yield f"threshold: must be more than 0 and less than 1, found {task.threshold}"


def temperature_problems(task: Task) -> Iterator[str]:
    """Problems with the temperature of a task."""
    if not 0 < task.temperature < math.inf:
        yield f"temperature: must be more than 0 and finite, found {task.temperature}"
    elif task.temperature != 1.0 and not KINDS[task.kind].calibrated:
        yield f"temperature: calibrates classes and numbers, not a {task.kind} task"


def unit_problems(task: Task) -> Iterator[str]:
    """Problems with what a task states about its numbers."""
    kind = KINDS[task.kind]
    for name, fits in (("transform", kind.transformable), ("low", kind.numeric), ("high", kind.numeric)):
        if getattr(task, name) not in ("", None) and not fits:
            yield f"{name}: is of targets that are numbers, found a {task.kind} task"
    if task.transform not in ("", AUTO, *TRANSFORMS):
        yield f"transform: unknown {task.transform!r}; {did_you_mean(task.transform, [AUTO, *TRANSFORMS])}"
    if task.low is not None and task.high is not None and not task.low < task.high:
        yield f"bounds: the lower one has to be below the upper one, found {task.low:g} and {task.high:g}"
