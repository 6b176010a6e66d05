"""Numbers of a finished run: ours beside single-task models and one plain network for all."""

from __future__ import annotations

import math
from typing import Any

from ..task import Task
from ..training import TaskResult


def number(value: float) -> float | None:
    """A JSON number; null where undefined."""
    return value if math.isfinite(value) else None


def task_entry(task: Task, result: TaskResult, test: float, network: int) -> dict[str, Any]:
    """One task's entry in ``results.json``."""
    return {
        "kind": task.kind,
        "metric": task.metric,
        "direction": task.metric_definition.direction,
        "validation": number(result.validation),
        "test": number(test),
        "best_epoch": result.best_epoch,
        "converged_epoch": result.converged_epoch,
        "peak": number(result.peak),
        "kept": number(result.kept),
        "network": network,
    }


def relative_gain(ours: float | None, baseline: float | None, direction: str) -> float | None:
    """``(ours - baseline) / |baseline|``, positive where ours is better; None where it is not defined.

    Example:
        >>> relative_gain(0.9, 1.0, "min")
        0.09999999999999998
    """
    if ours is None or baseline is None or baseline == 0:
        return None
    return (1 if direction == "max" else -1) * (ours - baseline) / abs(baseline)


def mean_gain(entries: dict[str, Any], baseline: dict[str, Any]) -> float | None:
    """Mean of the tasks' relative gains on test over a baseline (one metric per task; higher is better)."""
    gains = [
        gain
        for name, entry in entries.items()
        if name in baseline
        and (gain := relative_gain(entry["test"], baseline[name]["test"], entry["direction"])) is not None
    ]
    return sum(gains) / len(gains) if gains else None
