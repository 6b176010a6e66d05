"""How far measured values differ by chance: a finding is about what exceeds that."""

from __future__ import annotations

from ..records.run import Run
from ..reporting.outcome import Row

#: Half of a 95 % interval, in standard errors.
HALF = 1.96


def error_on_validation(run: Run, task: str) -> float:
    """Standard error of a task's metric on the validation rows; 0 where the log has none.

    Two values of networks that were trained alike, on the same rows, differ by less than that by chance: their errors
    are correlated, and at a correlation of .9 it is some two standard errors of the difference.
    """
    training = run.training_of(task)
    known = [point.errors.get(task) for point in training.evaluations] if training else []
    return next((error for error in reversed(known) if error is not None), 0.0)


def error_on_test(row: Row) -> float:
    """Standard error of a task's metric on the test rows; 0 where it has no interval."""
    return 0.0 if row.interval is None else (row.interval[1] - row.interval[0]) / 2 / HALF


def confirmed(run: Run, baseline: str, task: str, difference: float) -> bool:
    """Whether the validation difference to a baseline, negative where that is better, exceeds chance.

    It does if it exceeds half of the interval of the difference on the test rows, or that is all below 0.
    """
    interval = (run.results["baselines"][baseline].get(task) or {}).get("gain_interval")
    return interval is None or interval[1] < 0 or -difference > (interval[1] - interval[0]) / 2
