"""What is odd about the data: leaks, and parts of the split that differ."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator

from ..records.run import Run
from ..reporting.outcome import Row, rows
from ..task.gain import sign
from .advice import more_validation, quoted
from .chance import error_on_test, error_on_validation
from .finding import Finding
from .noted import names_in, noted

#: A test metric that loses more than this share of what validation shows above trivial.
DRIFT = 0.25
#: Nothing real is predicted that well.
PERFECT = 0.9995
#: Validation and test labels together of which none is wrong in one task in twenty whose predictions fail for 3 %.
ENOUGH = 100


def leak(run: Run) -> Iterator[Finding]:
    """Features that give a target away, and targets that are predicted too well."""
    unless = "unless you will have it when you predict"
    for warning in noted(run, "leak"):
        name = (names_in(warning) or ["COLUMN"])[0]
        advice = f"leave the column out ({quoted(f'--ignore {shlex.quote(name)}')}) {unless}"
        yield Finding("leak", _tasks_in(warning, run), warning, advice)
    perfect = [row for row in rows(run) if _is_perfect(run, row)]
    if perfect:
        seen = ", ".join(f"{row.task} ({row.metric} {row.ours.test:.4f})" for row in perfect)
        advice = f"is there a column that is only known afterwards? Leave it out (`--ignore COLUMN`) {unless}"
        yield Finding("leak", tuple(row.task for row in perfect), f"predicted almost perfectly: {seen}", advice)


def _is_perfect(run: Run, row: Row) -> bool:
    """Both parts are predicted without fault, and they have labels enough for that to mean something."""
    labels = ((run.log.overview.get("targets") or {}).get(row.task) or {}).get("labels") or {}
    few = {"validation", "test"} <= labels.keys() and labels["validation"] + labels["test"] < ENOUGH
    found = [value or 0.0 for value in (row.ours.validation, row.ours.test)]
    return row.direction == "max" and min(found) >= PERFECT and not few


def weak_split(run: Run) -> Iterator[Finding]:
    """Parts of the split with too little in them to choose or to measure."""
    for warning in noted(run, "split"):
        remedy = f"more rows, or {more_validation(run)}" if " validation" in warning else "more rows of it"
        yield Finding("weak split", _tasks_in(warning, run), warning, remedy)


def idle_text(run: Run) -> Iterator[Finding]:
    """Columns of free text that are left out."""
    for warning in noted(run, "text"):
        seen, _, remedy = warning.partition("; ")
        yield Finding("idle text", tuple(run.tasks), seen, quoted(remedy.removesuffix(" uses it")) + " uses it")


def _tasks_in(warning: str, run: Run) -> tuple[str, ...]:
    return tuple(task for task in run.tasks if f"'{task}'" in warning)


def drift(run: Run) -> Iterator[Finding]:
    """Tasks that are much worse on the test rows than on the validation rows, beyond chance."""
    found = []
    for row in rows(run):
        level, validation, test = row.trivial, row.ours.validation, row.ours.test
        if level is None or validation is None or test is None:
            continue
        learned, lost = (sign(row.direction) * (validation - other) for other in (level, test))
        chance = 2 * math.hypot(error_on_validation(run, row.task), error_on_test(row))
        if learned > 0 and lost > max(DRIFT * learned, chance):
            found.append(row)
    if 2 * len(found) >= len(run.tasks) > 0 and found:
        seen = "; ".join(
            f"{r.task} {r.ours.validation:.3g} on validation, {r.ours.test:.3g} on test" for r in found[:5]
        )
        yield Finding(
            "drift",
            tuple(row.task for row in found),
            seen,
            "the splits differ: if rows are ordered in time, validate on the last rows before the test rows (`--time "
            "COLUMN`); if several rows belong to one group, split by group (`--group COLUMN`)",
        )
