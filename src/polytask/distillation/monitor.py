"""When has a task converged? A test on the course of its validation metric."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ConvergenceMonitor:
    """Watches the validation metric of one task; usable in any loop.

    A task has converged when its metric has not improved by more than ``min_delta`` in ``patience`` evaluations in a
    row, at least ``min_evaluations`` have been made, and its best value lies at least ``floor`` above its trivial
    level: a metric that still sits where a constant prediction would put it looks converged but has not begun.

    Args:
        higher_is_better: Direction of the metric.
        patience: Evaluations without improvement, at least 1.
        min_evaluations: No convergence before so many evaluations.
        min_delta: An improvement counts if it is larger than this, in units of the metric.
        trivial: Value of a constant prediction.
        floor: Least distance of the best value from ``trivial``, in units of the metric.
        keep: How many of the best evaluations to remember.

    Example:
        >>> monitor = ConvergenceMonitor(patience=2, min_evaluations=0)
        >>> [monitor.update(step, value) for step, value in enumerate([.70, .78, .80, .79, .79])]
        [False, False, False, False, True]
        >>> monitor.best, monitor.best_step
        (0.8, 2)
    """

    higher_is_better: bool = True
    patience: int = 5
    min_evaluations: int = 10
    min_delta: float = 0.0
    trivial: float = -math.inf
    floor: float = 0.0
    keep: int = 1
    evaluations: int = 0
    bad: int = 0
    best: float = math.nan
    best_step: int = -1
    top: list[tuple[float, int]] = field(default_factory=list)

    def update(self, step: int, value: float) -> bool:
        """Note the metric at an evaluation.

        Args:
            step: Names the evaluation; ``top`` refers to it.
            value: The metric; NaN counts as no improvement and is never remembered.

        Returns:
            True if the task has converged by this evaluation.
        """
        self.evaluations += 1
        sign = 1.0 if self.higher_is_better else -1.0
        if math.isnan(value):
            self.bad += 1
            return self.converged
        if math.isnan(self.best) or sign * (value - self.best) > self.min_delta:
            self.best, self.best_step, self.bad = value, step, 0
        else:
            self.bad += 1
        # Sorted from best to worst; of equal values the earlier comes first.
        self.top = sorted([*self.top, (value, step)], key=lambda entry: (-sign * entry[0], entry[1]))[: self.keep]
        return self.converged

    @property
    def stalled(self) -> bool:
        """No improvement for ``patience`` evaluations, whatever the level."""
        return self.bad >= self.patience and self.evaluations >= self.min_evaluations

    @property
    def above_floor(self) -> bool:
        """The best value has left the trivial level."""
        sign = 1.0 if self.higher_is_better else -1.0
        return not math.isnan(self.best) and (
            not math.isfinite(self.trivial) or sign * (self.best - self.trivial) > self.floor
        )

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
            "top": [list(entry) for entry in self.top],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.evaluations, self.bad = state["evaluations"], state["bad"]
        self.best, self.best_step = state["best"], state["best_step"]
        self.top = [(value, step) for value, step in state["top"]]
