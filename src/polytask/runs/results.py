"""Numbers of a finished run: ours beside single-task models and one plain network for all."""

from __future__ import annotations

import math
from typing import Any

from ..gain import gain, mean_relative
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


def mean_gain(entries: dict[str, Any], baseline: dict[str, Any], trivial: dict[str, float | None]) -> float | None:
    """Mean of the tasks' relative gains on test over a baseline; ``trivial``: value of a constant prediction."""
    return mean_relative(
        gain(entry["test"], baseline[name]["test"], entry["direction"], trivial[name])
        for name, entry in entries.items()
        if name in baseline
    )
