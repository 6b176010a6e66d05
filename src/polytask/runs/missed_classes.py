"""Classes that a run never predicts right, which a metric of all rows hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..task import Task
from .averaged import Outputs

#: Rows of a class with which it is no chance that none of them is right.
FEWEST = 5


def missed_classes(task: Task, predictions: Tensor, targets: Tensor) -> dict[str, int]:
    """The classes of which no row is predicted right (recall 0), with the number of their rows.

    Args:
        task: Has classes, and the threshold that is served.
        predictions: ``[n]`` or ``[n, C]`` of rows with a label.
        targets: ``[n]`` their classes.

    Example:
        >>> missed_classes(Task("rare"), torch.full((50,), 0.2), torch.arange(50) % 10 == 0)
        {'1': 5}
    """
    labels, classes = task.definition.labels(predictions).long(), targets.long()
    rows = torch.bincount(classes, minlength=len(task.classes))
    right = torch.bincount(classes[labels == classes], minlength=len(task.classes))
    missed = ((rows >= FEWEST) & (right == 0)).nonzero()[:, 0].tolist()
    names = task.classes or task.definition.default_classes
    return {names[place]: int(rows[place]) for place in missed}


def add_missed(outputs: Outputs, serves: Mapping[str, Sequence[int]], entries: dict[str, Any]) -> dict[str, Any]:
    """The entries of ``results.json`` with the classes that what is served misses on validation, where it misses some.

    Args:
        outputs: Of the networks, by their numbers, for the validation rows; their tasks have the thresholds that are
            served.
        serves: By task the numbers of the networks whose mean prediction is served.
        entries: By task its entry.
    """
    found = dict(entries)
    for name, entry in entries.items():
        task = outputs.tasks[name]
        if task.definition.one_class:
            own, targets, _ = outputs.labelled(name, serves[name])
            if len(targets) and (missed := missed_classes(task, task.definition.predict(own), targets)):
                found[name] = entry | {"missed_classes": missed}
    return found
