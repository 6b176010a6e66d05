"""Targets that a constant predicts better."""

from __future__ import annotations

from collections.abc import Iterator

from ..records.run import Run
from ..reporting.outcome import Row, rows
from ..task.gain import sign
from .advice import against_overfitting, quoted
from .finding import Finding


def below_constant(run: Run) -> Iterator[Finding]:
    """Targets whose test metric is worse than that of a constant prediction beyond chance, such as an R2 below 0."""
    found = [row for row in rows(run) if _below(row)]
    if found:
        seen = "; ".join(
            f"{r.task} {r.metric} {r.ours.test:.3g} on test, a constant {r.trivial:.3g}" for r in found[:5]
        )
        yield Finding(
            "worse than a constant",
            tuple(row.task for row in found),
            f"on test {seen}",
            "do not use these predictions. Look for outliers in the labels and the features; "
            f"otherwise {' or '.join(map(quoted, against_overfitting(run)))}, or leave the target out",
        )


def _below(row: Row) -> bool:
    if row.ours.test is None or row.trivial is None:
        return False
    best = row.ours.test if row.interval is None else row.interval[row.direction != "min"]
    return sign(row.direction) * (best - row.trivial) < 0
