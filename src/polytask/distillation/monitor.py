"""When has a task converged? A test on the course of its validation metric."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: The best of some tens of values of pure noise lies two to three standard deviations up.
NOISES = 4.0
TESTS = ("patience", "slope", "fixed")


@dataclass
class ConvergenceMonitor:
    """Watches the validation metric of one task; usable in any loop.

    A task has converged when the ``test`` says so, at least ``min_evaluations`` have been made, and its best value lies
    more than ``floor``, and more than four times the metric's noise, above its trivial level: a metric that still sits
    where a constant prediction would put it looks converged but has not begun.

    Args:
        higher_is_better: Direction of the metric.
        patience: Evaluations in a row without improvement, at least 1; for ``slope`` the length of the line.
        min_evaluations: No convergence before so many evaluations.
        min_delta: An improvement counts if it is larger than this, in units of the metric.
        trivial: Value of a constant prediction.
        floor: Least distance of the best value from ``trivial``, in units of the metric.
        keep: How many of the best evaluations to remember.
        relative: ``min_delta`` is a share of the best value's size instead.
        patience_steps: Steps without improvement instead of evaluations.
        test: ``patience``; ``slope``: a line through the last ``patience`` values rises by at most ``min_delta`` per
            evaluation; ``fixed``: at ``fixed_step``, whatever the metric does.
        fixed_step: See ``test``.

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
    trivial: float = -math.inf
    floor: float = 0.0
    keep: int = 1
    relative: bool = False
    patience_steps: int | None = None
    test: str = "patience"
    fixed_step: int | None = None
    evaluations: int = 0
    bad: int = 0
    best: float = math.nan
    best_step: int = -1
    last_step: int = -1
    top: list[tuple[float, int]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)

    def update(self, step: int, value: float) -> bool:
        """Note the metric at an evaluation.

        Args:
            step: Optimiser steps so far; names the evaluation, ``top`` refers to it.
            value: The metric; NaN counts as no improvement and is never remembered.

        Returns:
            True if the task has converged by this evaluation.
        """
        self.evaluations += 1
        self.last_step = step
        self.recent = [*self.recent, value][-max(2, self.patience) :]
        if math.isnan(value):
            self.bad += 1
            return self.converged
        if self.improves(value):
            self.best, self.best_step, self.bad = value, step, 0
        else:
            self.bad += 1
        # Sorted from best to worst; of equal values the earlier comes first.
        self.top = sorted([*self.top, (value, step)], key=lambda entry: (-self._sign * entry[0], entry[1]))[: self.keep]
        return self.converged

    @property
    def top_steps(self) -> list[int]:
        """Steps of the best evaluations, the best first."""
        return [step for _, step in self.top]

    def improves(self, value: float) -> bool:
        """``value`` beats the best so far by more than ``min_delta``."""
        if math.isnan(self.best):
            return not math.isnan(value)
        delta = self.min_delta * abs(self.best) if self.relative else self.min_delta
        return self._sign * (value - self.best) > delta

    @property
    def _sign(self) -> float:
        return 1.0 if self.higher_is_better else -1.0

    @property
    def stalled(self) -> bool:
        """The test says that the metric does not improve any more, whatever its level."""
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
        return bool(self._sign * np.polyfit(np.arange(len(values)), values, 1)[0] <= self.min_delta)

    @property
    def above_floor(self) -> bool:
        """The best value has left the trivial level."""
        return not math.isnan(self.best) and (
            not math.isfinite(self.trivial)
            or self._sign * (self.best - self.trivial) > max(self.floor, NOISES * self.noise)
        )

    @property
    def noise(self) -> float:
        """Standard deviation of the metric, from the steps between its last values (for normal noise); 0 if unknown."""
        values = np.array(self.recent)
        steps = np.abs(np.diff(values[~np.isnan(values)]))
        return float(steps.mean() * math.sqrt(math.pi) / 2) if len(steps) else 0.0

    @property
    def converged(self) -> bool:
        """Stalled, and above the floor."""
        return self.stalled and self.above_floor

    def state_dict(self) -> dict[str, Any]:
        """What changes while training."""
        return {
            "evaluations": self.evaluations,
            "bad": self.bad,
            "best": self.best,
            "best_step": self.best_step,
            "last_step": self.last_step,
            "top": [list(entry) for entry in self.top],
            "recent": list(self.recent),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        for name in ("evaluations", "bad", "best", "best_step", "last_step"):
            setattr(self, name, state[name])
        self.top = [(value, step) for value, step in state["top"]]
        self.recent = list(state["recent"])
