"""Which evaluation's parameters are returned: the one that is good for all tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..config.training import MAIN, select_by_problems
from ..distillation.monitor import above_chance
from ..errors import raise_all
from ..task import Task
from ..task.gain import LEAST_SKILL
from ..uncertainty import Estimate, as_estimate, exceeds, mean_of, skill_of

#: A peak that lies this many standard errors above the trivial level, or fewer, has no say.
SILENT_ERRORS = 2.5
#: A later stage gives way to an earlier one that is better at this (one-sided) level.
LOST = 0.025


def kept_share(task: Task, value: float, peak: float, trivial: float) -> float:
    """Share of a task's peak that ``value`` keeps: ``skill(value) / skill(peak)``, from 0 to 1.

    1 if the value is above the peak or the peak itself is trivial, 0 for an undefined value.

    Example:
        >>> kept_share(Task("click"), value=0.86, peak=0.9, trivial=0.5)
        0.9
    """
    metric = task.metric_definition
    best = metric.skill(peak, trivial)
    if math.isnan(best) or best < LEAST_SKILL:
        return 1.0
    share = metric.skill(value, trivial) / best
    return 0.0 if math.isnan(share) else min(1.0, max(0.0, round(share, 12)))


def say_of(peak: float, error: float) -> float:
    """Weight of a task when a checkpoint is chosen: ``max(0, 1 - (2.5 error / peak)^2)``.

    A peak within its error of the trivial level is luck, and shares of luck are noise. The form is that of the
    positive-part estimator of James and Stein.

    Args:
        peak: Skill of the task's best evaluation, 0 at the trivial level.
        error: Its standard error.

    Example:
        >>> [round(say_of(peak, 0.02), 2) for peak in (0.03, 0.05, 0.1, 0.5)]
        [0.0, 0.0, 0.75, 0.99]
    """
    if not peak >= LEAST_SKILL:
        return 0.0
    return max(0.0, 1 - (SILENT_ERRORS * error / peak) ** 2)


class CommonCheckpoint:
    """Keeps the evaluation with the best mean share of the tasks' peaks.

    A task has the more say the surer its peak is (:func:`say_of`): targets that cannot be learned choose nothing. Peaks
    grow while training continues, so the champion and the challenger are always compared under the peaks of the moment.
    An evaluation of higher ``rank`` (more tasks have converged) wins over one of lower rank unless that is better by
    more than chance. While no task has a defined value the latest wins.

    Args:
        tasks: The tasks.
        trivial: By task name the metric of a constant prediction, as a number or an estimate, or with the standard
            error of a metric that knows nothing.
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

    def __init__(
        self,
        tasks: Sequence[Task],
        trivial: Mapping[str, float | Estimate | tuple[Estimate, float]],
        select_by: str = "mean",
    ) -> None:
        self.tasks, self.select_by = tuple(tasks), select_by
        raise_all(select_by_problems(select_by, [task.name for task in tasks]))
        known = {name: level if isinstance(level, tuple) else (level, 0.0) for name, level in trivial.items()}
        self._trivial = {name: (as_estimate(level), null) for name, (level, null) in known.items()}
        self._peaks: dict[str, tuple[Estimate, int]] = {}
        self._of_peaks: dict[str, tuple[float, float]] = {}  # skill of each peak and its say, once they are asked for
        self._values: dict[str, Estimate] = {}
        self.step = -1
        self.rank = -1

    @property
    def peaks(self) -> dict[str, tuple[float, int]]:
        """``{task: (best value, its step)}``."""
        return {name: (peak.value, step) for name, (peak, step) in self._peaks.items()}

    @property
    def values(self) -> dict[str, float]:
        """Metrics of the champion by task name."""
        return {name: found.value for name, found in self._values.items()}

    def learned(self, task: Task, evaluations: int) -> bool:
        """Whether the task's peak is above the trivial level by more than chance.

        See :class:`~polytask.distillation.ConvergenceMonitor`.
        """
        trivial, null = self._trivial[task.name]
        if task.name not in self._peaks or math.isnan(trivial.value):
            return False
        above = (self._peaks[task.name][0] - trivial) * task.metric_definition.sign
        return above_chance(above, evaluations, null)

    def _skill(self, task: Task, value: Estimate) -> Estimate:
        """0 at the trivial level, 1 for a perfect prediction, with the paired error."""
        trivial, _ = self._trivial[task.name]
        return skill_of(task.metric_definition, value, trivial)

    def _kept_skill(self, task: Task, value: float | Estimate) -> Estimate:
        """The skill, 0 for a value that is undefined or below the trivial level: worse than nothing is nothing."""
        found = as_estimate(value)
        skill = self._skill(task, found)
        return skill if skill.value > 0 else replace(Estimate.exact(0.0), counted=max(found.counted, 1))

    def _of_peak(self, task: Task) -> tuple[float, float]:
        """Skill of the task's peak, and how much the task has to say, by how sure its peak is."""
        if task.name not in self._of_peaks:
            trivial, null = self._trivial[task.name]
            peak = self._skill(task, self._peaks[task.name][0])
            perfect = task.metric_definition.perfect
            least = null / abs(perfect - trivial.value) if perfect != trivial.value else 0.0
            say = 0.0 if math.isnan(trivial.value) else say_of(peak.value, max(peak.error, least))
            self._of_peaks[task.name] = max(peak.value, LEAST_SKILL), say
        return self._of_peaks[task.name]

    def score(self, values: Mapping[str, float | Estimate]) -> Estimate:
        """Share of the present peaks that an evaluation's ``values`` keep, by the criterion."""
        main = self.select_by.removeprefix(MAIN) if self.select_by.startswith(MAIN) else None
        tasks = [task for task in self.tasks if main in (None, task.name) and task.name in self._peaks]
        says = {task.name: self._of_peak(task)[1] for task in tasks}
        skills = {task.name: self._kept_skill(task, values[task.name]) for task in tasks}
        if main is None and not any(says.values()):
            return mean_of(skills.values())  # nothing is sure: the best mean of what there is
        if main is None:
            tasks = [task for task in tasks if says[task.name]]
        shares = [skills[task.name] * (1 / self._of_peak(task)[0]) for task in tasks]
        if self.select_by == "worst":
            return min(shares, key=lambda share: share.value)
        weights = [says[task.name] * (task.weight if self.select_by == "weighted" else 1.0) for task in tasks]
        return mean_of(shares, weights if any(weights) else None)

    def update(
        self, step: int, values: Mapping[str, float | Estimate], rank: int = 0, frozen: Sequence[str] = ()
    ) -> bool:
        """Note an evaluation.

        Args:
            step: Its step.
            values: Metric by task name, with its error where it is known.
            rank: See the class.
            frozen: Tasks whose peak no longer moves.

        Returns:
            True if it is the champion now.
        """
        found = {task.name: as_estimate(values[task.name]) for task in self.tasks}
        for task in self.tasks:
            value, sign = found[task.name].value, task.metric_definition.sign
            better = task.name not in self._peaks or sign * (value - self._peaks[task.name][0].value) > 0
            if not math.isnan(value) and better and task.name not in frozen:
                self._peaks[task.name] = (found[task.name], step)
                self._of_peaks.pop(task.name, None)
        # Of what was never measured the latest.
        wins = self.step < 0 or not self._peaks or self._beats(found, rank)
        if wins:
            self.step, self.rank, self._values = step, rank, found
        return wins

    def _beats(self, challenger: Mapping[str, Estimate], rank: int) -> bool:
        difference = self.score(challenger) - self.score(self._values)
        if rank == self.rank:
            return difference.value > 0
        ahead = exceeds(difference if rank < self.rank else difference * -1.0, LOST)
        return ahead if rank < self.rank else not ahead

    def state_dict(self) -> dict[str, Any]:
        """What changes while training."""
        return {
            "peaks": {name: [peak.state_dict(), step] for name, (peak, step) in self._peaks.items()},
            "step": self.step,
            "rank": self.rank,
            "values": {name: found.state_dict() for name, found in self._values.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._peaks = {name: (Estimate(**peak), step) for name, (peak, step) in state["peaks"].items()}
        self._of_peaks = {}
        self.step, self.rank = state["step"], state["rank"]
        self._values = {name: Estimate(**found) for name, found in state["values"].items()}
