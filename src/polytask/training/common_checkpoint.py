"""Which evaluation's parameters are returned: the one that is good for all tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import did_you_mean, raise_all
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


#: Criteria for the checkpoint to return, beside ``task.NAME``.
SELECT_BY = ("mean", "worst", "weighted")
MAIN = "task."


def select_by_problems(select_by: str, tasks: Sequence[str]) -> list[str]:
    """What is wrong with a criterion, as sentences."""
    known = [*SELECT_BY, *(MAIN + task for task in tasks)]
    if select_by in known:
        return []
    return [f"select_by: {select_by!r} is no criterion; {did_you_mean(select_by, known)}"]


class CommonCheckpoint:
    """Keeps the evaluation with the best mean share of the tasks' peaks.

    Peaks grow while training goes on, so the champion and the challenger are always compared under the peaks
    of the moment. An evaluation of higher ``rank`` (more tasks have converged) wins over one of lower rank. While no
    task has a defined value the latest wins.

    Args:
        tasks: The tasks.
        trivial: Metric of a constant prediction, by task name.
        select_by: ``mean`` of the shares; their minimum (``worst``); their mean with the tasks' weights (``weighted``);
            or the share of a main task, ``task.NAME``.

    Example:
        >>> tasks, values = [Task("a"), Task("b")], [{"a": 0.9, "b": 0.6}, {"a": 0.7, "b": 0.7}]
        >>> for criterion in ("mean", "task.a", "task.b"):
        ...     chosen = CommonCheckpoint(tasks, {"a": 0.5, "b": 0.5}, criterion)
        ...     _ = [chosen.update(step, found) for step, found in enumerate(values)]
        ...     print(criterion, chosen.step)
        mean 0
        task.a 0
        task.b 1
    """

    def __init__(self, tasks: Sequence[Task], trivial: Mapping[str, float], select_by: str = "mean") -> None:
        self.tasks, self.trivial, self.select_by = tuple(tasks), dict(trivial), select_by
        raise_all(select_by_problems(select_by, [task.name for task in tasks]))
        self.peaks: dict[str, tuple[float, int]] = {}
        self.step = -1
        self.rank = -1
        self.values: dict[str, float] = {}

    def score(self, values: Mapping[str, float]) -> float:
        """Share of the present peaks that an evaluation's ``values`` keep, by the criterion."""
        main = self.select_by.removeprefix(MAIN) if self.select_by.startswith(MAIN) else None
        shares = [
            (kept_share(task, values[task.name], self.peaks[task.name][0], self.trivial[task.name]), task.weight)
            for task in self.tasks
            if task.name in self.peaks and main in (None, task.name)
        ]
        if self.select_by == "worst":
            return min((share for share, _ in shares), default=0.0)
        weights = [weight if self.select_by == "weighted" else 1.0 for _, weight in shares]
        total = sum(weights)
        return sum(share * weight for (share, _), weight in zip(shares, weights, strict=True)) / total if total else 0.0

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
        better = rank > self.rank or (rank == self.rank and self.score(values) > self.score(self.values))
        wins = better or not self.peaks  # nothing was ever measured: the latest
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
