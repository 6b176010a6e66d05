"""The tasks' metrics among those that a framework logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from ..processes.collectives import numbers_of_first
from .kept_peaks import KeptPeaks


def metrics_of(peaks: KeptPeaks, logged: Mapping[str, Any], pattern: str) -> dict[str, float]:
    """The tasks' metrics among those that a framework has logged, of the first of several processes.

    Args:
        peaks: Whose tasks.
        logged: Metrics by the framework's names.
        pattern: How a task's is called, such as ``val_{task}``.

    Raises:
        UserError: If a task that still learns has none; it would be waited for in silence.
    """
    names = {task: pattern.format(task=task) for task in peaks.tasks}
    if missing := missing_metrics(peaks, logged, pattern):
        raise UserError(
            f"metrics: {', '.join(missing)} not logged in this evaluation, found {', '.join(logged) or 'none'}; log "
            "one for every task that still learns, or give their names by ConvergenceCallback(metric=...)"
        )
    known = {task: float(logged[name]) for task, name in names.items() if name in logged}
    return dict(zip(known, numbers_of_first(list(known.values())), strict=True))


def missing_metrics(peaks: KeptPeaks, logged: Mapping[str, Any], pattern: str) -> list[str]:
    """Names of the metrics of tasks that still learn which are not among ``logged``."""
    names = {task: pattern.format(task=task) for task in peaks.tasks}
    return [name for task, name in names.items() if name not in logged and task not in peaks.soft]
