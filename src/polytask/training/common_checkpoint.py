"""Which evaluation's parameters are returned: the one that is good for all tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..gain import LEAST_SKILL
from ..task import Task


def kept_share(task: Task, value: float, peak: float, trivial: float) -> float:
    """Share of a task's peak that ``value`` keeps: ``skill(value) / skill(peak)``, not below 0.

    1 if the peak itself is trivial, 0 for an undefined value.

    Example:
        >>> kept_share(Task("click"), value=0.86, peak=0.9, trivial=0.5)
        0.9
    """
    metric = task.metric_definition
    best = metric.skill(peak, trivial)
    if math.isnan(best) or best < LEAST_SKILL:
        return 1.0
    share = metric.skill(value, trivial) / best
    return 0.0 if math.isnan(share) else max(0.0, round(share, 12))


class CommonCheckpoint:
    """Keeps the evaluation with the best mean share of the tasks' peaks.

    Peaks grow while training goes on, so the champion and the challenger are always compared under the peaks
    of the moment. An evaluation of higher ``rank`` (more tasks have converged) wins over one of lower rank.

    Args:
        tasks: The tasks.
        trivial: Metric of a constant prediction, by task name.
    """

    def __init__(self, tasks: Sequence[Task], trivial: Mapping[str, float]) -> None:
        self.tasks, self.trivial = tuple(tasks), dict(trivial)
        self.peaks: dict[str, tuple[float, int]] = {}
        self.step = -1
        self.rank = -1
        self.values: dict[str, float] = {}

    def score(self, values: Mapping[str, float]) -> float:
        """Mean share of the present peaks that an evaluation's ``values`` keep."""
        shares = [
            kept_share(task, values[task.name], self.peaks[task.name][0], self.trivial[task.name])
            for task in self.tasks
            if task.name in self.peaks
        ]
        return sum(shares) / len(shares) if shares else 0.0

    def update(self, step: int, values: Mapping[str, float], rank: int = 0, frozen: Sequence[str] = ()) -> bool:
        """Note an evaluation.

        Args:
            step: Its step.
            values: Metric by task name.
            rank: See the class.
            frozen: Tasks whose peak no longer moves.

        Returns:
            True if it is the champion now.
        """
        for task in self.tasks:
            value, sign = values[task.name], 1 if task.metric_definition.higher_is_better else -1
            better = task.name not in self.peaks or sign * (value - self.peaks[task.name][0]) > 0
            if not math.isnan(value) and better and task.name not in frozen:
                self.peaks[task.name] = (value, step)
        wins = self.step < 0 or rank > self.rank or (rank == self.rank and self.score(values) > self.score(self.values))
        if wins:
            self.step, self.rank, self.values = step, rank, dict(values)
        return wins

    def state_dict(self) -> dict[str, Any]:
        """What changes while training."""
        return {
            "peaks": {name: list(peak) for name, peak in self.peaks.items()},
            "step": self.step,
            "rank": self.rank,
            "values": self.values,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.peaks = {name: (value, step) for name, (value, step) in state["peaks"].items()}
        self.step, self.rank, self.values = state["step"], state["rank"], dict(state["values"])
