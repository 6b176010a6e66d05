"""Metrics beyond the one that decides: measured on the same rows, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..records.values import number
from ..task import Task
from ..training.evaluation import task_estimate
from .averaged import Outputs
from .results import bounds


def further_metrics(task: Task, outputs: Tensor, targets: Tensor, units: Tensor | None = None) -> dict[str, Any]:
    """What ``results.json`` and ``evaluate`` say of the metrics :attr:`Task.also`; nothing if there are none.

    Args:
        task: The task, with the threshold that is served.
        outputs: Raw outputs of rows with a label.
        targets: Their stored targets.
        units: What the rows count as in standard errors, see :meth:`polytask.data.Rows.units`; all rows by default.

    Returns:
        ``metrics`` {name: value}, ``intervals`` {name: [low, high]} (95 %) and ``trivials`` {name: value of a constant
        prediction}.
    """
    if not task.also:
        return {}
    found: dict[str, Any] = {"metrics": {}, "intervals": {}, "trivials": {}}
    for name in task.also:
        definition = task.defined_metric(name)
        measured = task_estimate(task, outputs, targets, units, metric=name)
        own, unit = task.measured_targets(targets, definition)
        found["metrics"][name] = number(measured.value)
        found["intervals"][name] = bounds(measured, direction=definition.direction)
        found["trivials"][name] = number(definition.trivial(own) * unit) if len(own) else None
    return found


def add_further(outputs: Outputs, serves: Mapping[str, Sequence[int]], entries: dict[str, Any]) -> dict[str, Any]:
    """The entries with the further metrics of what networks serve.

    Args:
        outputs: Of the networks, by their numbers, for the rows that are read at the end.
        serves: By task the numbers of the networks whose mean prediction is served.
        entries: By task its entry in ``results.json``.
    """
    found = dict(entries)
    for name, entry in entries.items():
        if (task := outputs.tasks[name]).also:
            found[name] = with_further(entry, further_metrics(task, *outputs.counted(name, serves[name])))
    return found


def with_further(entry: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """An entry of ``results.json`` with further metrics after the one that it has."""
    if not found:
        return entry
    first = {"metrics": entry["test"], "intervals": entry.get("interval"), "trivials": entry.get("trivial")}
    return entry | {key: {entry["metric"]: value, **found[key]} for key, value in first.items()}
