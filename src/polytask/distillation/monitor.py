"""When has a task learned, and when has it converged? Tests on the history of its validation metric."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from ..config.convergence import Test
from ..task.gain import direction_of, sign
from ..uncertainty import THREE_ERRORS, Estimate, as_estimate, exceeds

#: Probability that a task that knows nothing is ever said to have learned, over all its evaluations.
FALSE_LEARNED = 0.01
#: Values without a standard error: the best of some tens of values of pure noise is two to three deviations up.
NOISES = 4.0
#: A task that has not learned is given this share of the budget before training stops waiting for it.
UNLEARNED_SHARE = 0.75
TESTS: tuple[str, ...] = get_args(Test)


def above_chance(skill: Estimate, looks: int, null_error: float = 0.0) -> bool:
    """Whether the best of ``looks`` evaluations is above the trivial level by three errors, and by more than luck.

    Args:
        skill: Difference to the trivial level, plus is better.
        looks: Number of evaluations.
        null_error: See :class:`ConvergenceMonitor`.

    Example:
        >>> import torch
        >>> [above_chance(Estimate(best, torch.tensor([.01, -.01]), 500), 60) for best in (0.06, 0.08)]
        [False, True]
    """
    return exceeds(skill, min(THREE_ERRORS, FALSE_LEARNED / max(1, looks)), null_error=null_error)


@dataclass
class ConvergenceMonitor:
    """Watches the validation metric of one task; usable in any loop.

    A task has *learned* when its best value lies more than ``floor``, and by more than chance, above its trivial level:
    by three standard errors, and by more where many evaluations were made, so that a task that knows nothing passes
    in at most 1 % of trainings. It has *converged* when it has learned and the ``test`` states that it does
    not improve any more. A metric that still is where a constant prediction would put it looks converged but has not
    begun.

    Values come as :class:`~polytask.uncertainty.Estimate`, which holds the standard error of a metric on its rows.
    Plain numbers are taken as exact, and four times the noise between successive values replaces the error.

    Args:
        higher_is_better: Direction of the metric.
        patience: Evaluations in a row without improvement, at least 1; for ``slope`` the length of the line.
        min_evaluations: No convergence before this many evaluations.
        min_delta: An improvement counts if it is larger than this, in units of the metric.
        trivial: Value of a constant prediction, as a number or an estimate.
        floor: Least distance of the best value from ``trivial``, in units of the metric.
        keep: How many of the best evaluations to remember.
        relative: ``min_delta`` is a share of the best value's size instead.
        patience_steps: Steps without improvement instead of evaluations.
        test: ``patience``; ``slope``: a line through the last ``patience`` values rises by at most ``min_delta`` per
            evaluation; ``fixed``: at ``fixed_step``, whatever the metric does and has learned.
        fixed_step: See ``test``.
        null_error: Standard error of the metric for a prediction that knows nothing, if known; see
            :class:`~polytask.task.Metric`.
        min_errors: An improvement counts if it is larger than this many standard errors of the paired difference, which
            are 0 for plain numbers.

    Example:
        >>> monitor = ConvergenceMonitor(patience=2, min_evaluations=0)
        >>> [monitor.update(step, value) for step, value in enumerate([.70, .78, .80, .79, .79])]
        [False, False, False, False, True]
        >>> monitor.best, monitor.best_step
        (0.8, 2)
    """

    higher_is_better: bool = True
    patience: int = 10
    min_evaluations: int = 20
    min_delta: float = 0.0
    trivial: float | Estimate = -math.inf
    floor: float = 0.0
    keep: int = 1
    relative: bool = False
    patience_steps: int | None = None
    test: str = "patience"
    fixed_step: int | None = None
    null_error: float = 0.0
    min_errors: float = 0.0
    evaluations: int = 0
    bad: int = 0
    peak: Estimate | None = None
    best_step: int = -1
    last_step: int = -1
    top: list[tuple[float, int]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)

    def update(self, step: int, value: float | Estimate) -> bool:
        """Note the metric at an evaluation.

        Args:
            step: Optimiser steps so far; names the evaluation, ``top`` refers to it.
            value: The metric; NaN counts as no improvement and is never remembered.

        Returns:
            True if the task has converged by this evaluation.
        """
        found = as_estimate(value)
        self.evaluations += 1
        self.last_step = step
        self.recent = [*self.recent, found.value][-max(2, self.patience) :]
        if math.isnan(found.value):
            self.bad += 1
            return self.converged
        if self.improves(found):
            self.peak, self.best_step, self.bad = found, step, 0
        else:
            self.bad += 1
        # Sorted from best to worst; of equal values the earlier comes first.
        newest = (found.value, step)
        self.top = sorted([*self.top, newest], key=lambda entry: (-self.sign * entry[0], entry[1]))[: self.keep]
        return self.converged

    def restart(self, step: int, value: float | Estimate) -> None:
        """Begin again from a value that is better than all before."""
        self.evaluations, self.top, self.recent, self.peak = 0, [], [], None
        self.update(step, value)

    @property
    def best(self) -> float:
        """The best value so far, NaN without any."""
        return math.nan if self.peak is None else self.peak.value

    @property
    def top_steps(self) -> list[int]:
        """Steps of the best evaluations, the best first."""
        return [step for _, step in self.top]

    @property
    def kept_step(self) -> int:
        """Step of the best of all evaluations, whose parameters are kept; -1 without any.

        The one of the peak may be an earlier one, where an improvement has to exceed ``min_delta`` or its errors.
        """
        return self.top[0][1] if self.top else -1

    def improves(self, value: float | Estimate) -> bool:
        """``value`` beats the best so far by more than ``min_delta``, and by more than ``min_errors`` of its errors."""
        found = as_estimate(value)
        if self.peak is None:
            return not math.isnan(found.value)
        delta = self.min_delta * abs(self.peak.value) if self.relative else self.min_delta
        difference = (found - self.peak) * self.sign
        return difference.value > max(delta, self.min_errors * difference.error)

    @property
    def sign(self) -> float:
        """1 if higher is better, else -1."""
        return sign(direction_of(self.higher_is_better))

    @property
    def stalled(self) -> bool:
        """The test states that the metric does not improve any more, whatever its level."""
        if self.test == "fixed":
            return self.fixed_step is not None and self.last_step >= self.fixed_step
        if self.evaluations < self.min_evaluations:
            return False
        if self.test == "slope":
            return self._flat
        if self.patience_steps is not None:
            return self.best_step >= 0 and self.last_step - self.best_step >= self.patience_steps
        return self.bad >= self.patience

    @property
    def _flat(self) -> bool:
        values = np.array([value for value in self.recent if not math.isnan(value)])
        if len(self.recent) < max(2, self.patience) or len(values) < 2:
            return False
        return bool(self.sign * np.polyfit(np.arange(len(values)), values, 1)[0] <= self.min_delta)

    @property
    def learned(self) -> bool:
        """The best value has left the trivial level by more than chance."""
        trivial = as_estimate(self.trivial)
        if self.peak is None or not math.isfinite(trivial.value):
            return self.peak is not None
        above = (self.peak - trivial) * self.sign
        if not above.value > self.floor:
            return False
        if not self.peak.error:
            return above.value > NOISES * self.noise
        return above_chance(above, self.evaluations, self.null_error)

    @property
    def noise(self) -> float:
        """Standard deviation of the metric, from the steps between its last values (for normal noise); 0 if unknown."""
        values = np.array(self.recent)
        steps = np.abs(np.diff(values[~np.isnan(values)]))
        return float(steps.mean() * math.sqrt(math.pi) / 2) if len(steps) else 0.0

    @property
    def converged(self) -> bool:
        """Stalled, and has learned; with ``fixed`` whatever it has learned."""
        return self.stalled and (self.learned or (self.test == "fixed" and self.peak is not None))

    def waited_for(self, progress: float) -> bool:
        """Whether training continues for this task: it improves, or has not begun and there is time left for that.

        Args:
            progress: Share of the training's budget that is used.
        """
        if not self.stalled:
            return True
        return self.peak is not None and not self.learned and progress < UNLEARNED_SHARE

    def state_dict(self) -> dict[str, Any]:
        """What changes while training."""
        return {
            "evaluations": self.evaluations,
            "bad": self.bad,
            "peak": None if self.peak is None else self.peak.state_dict(),
            "best_step": self.best_step,
            "last_step": self.last_step,
            "top": [list(entry) for entry in self.top],
            "recent": list(self.recent),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        for name in ("evaluations", "bad", "best_step", "last_step"):
            setattr(self, name, state[name])
        self.peak = None if state["peak"] is None else Estimate(**state["peak"])
        self.top = [(value, step) for value, step in state["top"]]
        self.recent = list(state["recent"])
