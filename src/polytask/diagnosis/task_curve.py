"""A validation curve, its noise and its peak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..records.run import Run
from ..task.gain import sign
from .chance import error_on_validation

#: Evaluations below which a curve carries no information.
LEAST_POINTS = 8


@dataclass(frozen=True)
class TaskCurve:
    """The validation metric of a task over one training, up to its convergence, turned so that higher is better.

    Attributes:
        task: Its name.
        values: ``[n]``.
        losses: ``[n]`` training losses.
        numbers: ``[n]`` which evaluation of the training each is, from 1: of many tasks not all are logged.
        trivial: Level of a constant prediction, turned as the values; NaN if unknown.
        whole_budget: Whether the training used all its steps.
        share: Part of the budget in which the task learned from its own labels.
        error: Standard error of a value, by the sampling of the validation rows; 0 if unknown.
    """

    task: str
    values: np.ndarray
    losses: np.ndarray
    numbers: tuple[int, ...]
    trivial: float
    whole_budget: bool
    share: float
    error: float

    @property
    def peak(self) -> int:
        """Position of the best value."""
        return int(np.argmax(self.values))

    @property
    def best(self) -> str:
        """Which evaluation was the best, for the user to read."""
        return f"evaluation {self.numbers[self.peak]} of {self.numbers[-1]}"

    @property
    def noise(self) -> float:
        """Standard deviation of one evaluation, from the changes between neighbours in the second half."""
        changes = np.diff(self.values[len(self.values) // 2 :])
        return float(1.4826 * np.median(np.abs(changes - np.median(changes))) / np.sqrt(2))

    @property
    def learned(self) -> float:
        """Height of the peak over a constant prediction, or over the first value where that is unknown."""
        floor = self.values[0] if np.isnan(self.trivial) else self.trivial
        return float(self.values[self.peak] - floor)

    @property
    def fall(self) -> float:
        """Share by which the training loss fell from the first to the last tenth of the evaluations."""
        tenth = -(-len(self.losses) // 10)
        first, last = np.nanmean(self.losses[:tenth]), np.nanmean(self.losses[-tenth:])
        return float(1 - last / first) if first > 0 else 1.0


def task_curves(run: Run) -> Iterator[TaskCurve]:
    """The curve of every task in the network that serves it, if there is enough of it."""
    trivial = run.trivial
    for task, result in run.results.get("tasks", {}).items():
        training = run.training_of(task)
        if training is None or task in run.held:
            continue
        better = sign(str(result.get("direction")))
        converged = training.converged.get(task)
        points = [point for point in training.evaluations if converged is None or point.step <= converged.step]
        numbers = [number for number, point in enumerate(points, 1) if point.validation.get(task) is not None]
        known = [points[number - 1] for number in numbers]
        if len(known) < LEAST_POINTS:
            continue
        level = trivial.get(task)
        yield TaskCurve(
            task,
            better * np.array([point.validation[task] for point in known], float),
            np.array([point.losses.get(task) for point in known], float),
            tuple(numbers),
            float("nan") if level is None else better * level,
            bool(training.steps) and training.evaluations[-1].step >= (training.steps or 0),
            known[-1].step / (training.steps or known[-1].step),
            error_on_validation(run, task),
        )
