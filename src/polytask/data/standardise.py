"""Regression targets in units in which a network learns them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ..task import Task
from ..task.kind import NumberKind
from ..task.training_units import in_training_units
from .as_rows import Data, as_rows
from .rows import Rows

#: Labels whose mean or spread is beyond this, or whose spread is below its inverse, are worth a warning.
FAR = 10.0


def standardise(tasks: Sequence[Task], train: Data) -> list[Task]:
    """The tasks, for regression with the mean and standard deviation of the training labels.

    Other kinds of numbers define their own center and scale (:meth:`polytask.task.Kind.units`).
    ``polytask fit`` does this by itself; your model is made for tasks before it sees data, so that here it is
    a separate step. Targets are then trained as ``(y - center) / scale`` (after the task's transformation, which is
    fitted here, too): outputs of the model are in these units, ``task.in_units(outputs)`` in those of the labels;
    metrics that have a unit are in that of the labels.

    Args:
        tasks: The tasks; one with a ``center`` or ``scale`` keeps them.
        train: The training data, in any form that :func:`~polytask.data.as_rows` takes.

    Raises:
        UserError: If data and tasks do not fit.

    Example:
        >>> import torch
        >>> tasks = [Task("click"), Task("price", kind="regression")]
        >>> labels = {"click": torch.tensor([0.0, 1.0]), "price": torch.tensor([100.0, 300.0])}
        >>> [(task.center, task.scale) for task in standardise(tasks, (torch.zeros(2, 1), labels))]
        [(0.0, 1.0), (200.0, 100.0)]
    """
    rows = as_rows(train, tasks, "train")
    return [_standardised(task, rows, position) for position, task in enumerate(tasks)]


def warn_of_large_numbers(tasks: Sequence[Task], rows: Rows, stacklevel: int) -> None:
    """Warn if labels that are numbers are far from a mean of 0 and a spread of 1, and are trained as they are."""
    for position, task in enumerate(tasks):
        values = _unscaled(task, rows, position)
        if not len(values):
            continue
        center, scale = float(values.mean()), float(values.std())
        if scale > 0 and (abs(center) > FAR or not 1 / FAR <= scale <= FAR):
            warnings.warn(
                f"task {task.name!r}: labels with mean {center:.4g} and standard deviation {scale:.4g} are trained as "
                "they are, and networks learn such targets slowly or not at all; make the model for "
                "polytask.standardise(tasks, train), or give the task its center and scale",
                stacklevel=stacklevel + 1,
            )


def _standardised(task: Task, rows: Rows, position: int) -> Task:
    values = _unscaled(task, rows, position)
    if not len(values):
        return task
    return in_training_units(task, values)


def _unscaled(task: Task, rows: Rows, position: int) -> np.ndarray:
    """Labels of a task of one number per row; none if it has a center or scale already, or is of another kind."""
    if not isinstance(task.definition, NumberKind) or (task.center, task.scale) != (0.0, 1.0):
        return np.zeros(0)
    values = rows.targets[:, position].double()
    values = values if rows.observed is None else values[rows.observed[:, position]]
    return values.cpu().numpy()
