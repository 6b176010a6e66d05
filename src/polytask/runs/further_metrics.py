"""Metrics beyond the one that decides: measured on the same rows, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..models import MultiTaskModel
from ..records.values import number
from ..task import Task
from ..training.evaluation import task_estimate
from .results import bounds
from .thresholds import served_outputs
from .trainer import Trainer


def further_metrics(task: Task, outputs: Tensor, targets: Tensor) -> dict[str, Any]:
    """What ``results.json`` and ``evaluate`` say of the metrics :attr:`Task.also`; nothing if there are none.

    Args:
        task: The task, with the threshold that is served.
        outputs: Raw outputs of rows with a label.
        targets: Their stored targets.

    Returns:
        ``metrics`` {name: value}, ``intervals`` {name: [low, high]} (95 %) and ``trivials`` {name: value of a constant
        prediction}.
    """
    if not task.also:
        return {}
    found: dict[str, Any] = {"metrics": {}, "intervals": {}, "trivials": {}}
    for name in task.also:
        definition = task.defined_metric(name)
        measured = task_estimate(task, outputs, targets, metric=name)
        own, unit = task.measured_targets(targets, definition)
        found["metrics"][name] = number(measured.value)
        found["intervals"][name] = bounds(measured)
        found["trivials"][name] = number(definition.trivial(own) * unit) if len(own) else None
    return found


def add_further(
    trainer: Trainer, models: Sequence[MultiTaskModel], serves: Mapping[str, Sequence[int]], entries: dict[str, Any]
) -> dict[str, Any]:
    """The entries with the further metrics of what networks serve, on the rows that are read at the end.

    Args:
        trainer: Has the rows.
        models: The networks; their tasks have the thresholds that are served.
        serves: By task the numbers of the networks whose mean prediction is served.
        entries: By task its entry in ``results.json``.
    """
    rows, found = trainer.data.rows[trainer.final_part], dict(entries)
    for position, task in enumerate(trainer.data.tasks):
        if task.also and task.name in entries:
            own = [models[number] for number in serves[task.name]]
            served = next(one for one in own[0].tasks if one.name == task.name)
            outputs, targets, _ = served_outputs(rows, position, task, own)
            found[task.name] = with_further(entries[task.name], further_metrics(served, outputs, targets))
    return found


def with_further(entry: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """An entry of ``results.json`` with further metrics after the one that it has."""
    if not found:
        return entry
    first = {"metrics": entry["test"], "intervals": entry.get("interval"), "trivials": entry.get("trivial")}
    return entry | {key: {entry["metric"]: value, **found[key]} for key, value in first.items()}
