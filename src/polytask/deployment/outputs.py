"""What an exported file gives: of every target the columns of ``polytask predict``, classes as positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..errors import UserError
from ..task import Task


def outputs_of(predictions: Mapping[Task, Tensor], limits: Mapping[str, float]) -> dict[str, Tensor]:
    """The outputs by name, those of the targets first.

    Args:
        predictions: By task, in units of training, see :meth:`polytask.task.Kind.predict`.
        limits: Of intervals and sets, of tasks that have them, see :meth:`polytask.task.conformal.Scores.limit`.

    Example:
        >>> import torch
        >>> click, price = Task("click", threshold=0.3), Task("price", kind="regression", center=5.0)
        >>> found = outputs_of({click: torch.tensor([0.4]), price: torch.tensor([1.0])}, {"price": 2.0})
        >>> {name: value.tolist()[0] for name, value in found.items() if name != "click"}
        {'price': 6.0, 'click_label': 1, 'price_low': 4.0, 'price_high': 8.0}
    """
    values = [task.definition.exported(task, own) for task, own in predictions.items()]
    for task, own in predictions.items():
        if task.classes:
            values.append(task.definition.labels(own).long())
        if task.name in limits:
            values += task.definition.interval(task, own, limits[task.name])
    return dict(zip(output_names(list(predictions), limits), values, strict=True))


def described_outputs(tasks: Sequence[Task], limits: Mapping[str, float], level: float | None) -> dict[str, Any]:
    """By target what its outputs are, as JSON-able values."""
    found = {task.name: task.definition.exported_about(task) for task in tasks}
    for task in tasks:
        if task.classes:
            found[task.name]["label"] = _label(task)
        if task.name in limits:
            found[task.name]["interval"] = {"level": level, "outputs": task.definition.interval_names(task)}
    return found


def output_names(tasks: Sequence[Task], limits: Mapping[str, float]) -> list[str]:
    """Names of the outputs in their order.

    Raises:
        UserError: If two are the same.
    """
    names = [task.name for task in tasks]
    for task in tasks:
        names += [_label(task)] if task.classes else []
        names += task.definition.interval_names(task) if task.name in limits else []
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"export: two outputs would be called {', '.join(map(repr, twice))} (the predicted class of a "
                        "target is TARGET_label); write these targets to separate files with --tasks")  # fmt: skip
    return names


def _label(task: Task) -> str:
    return f"{task.name}_label"
