"""The top of the report: three numbers and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ..records.run import Run
from ..records.values import number
from ..task.gain import skill
from .numbers import percent, shown
from .outcome import MODELS, Row, tallies

#: What ours is compared with at the top: the simplest first.
SIMPLE = ("linear", "all_in_one", "single_task", "before")


@dataclass(frozen=True)
class Headline:
    """How good, against what simple alternative, and is it sure.

    Attributes:
        numbers: Each as text, with what it is.
        sentence: The same in a sentence.
    """

    numbers: tuple[tuple[str, str], ...]
    sentence: str


def headline(run: Run, table: Sequence[Row]) -> Headline | None:
    """The headline of a finished run; None before."""
    if not table:
        return None
    return _of_one(run, table[0]) if len(table) == 1 else _of_many(run, table)


def _of_one(run: Run, row: Row) -> Headline:
    value, constant = (shown(number, row.decimals) for number in (row.ours.test, row.trivial))
    half = "" if row.interval is None else f" ±{shown((row.interval[1] - row.interval[0]) / 2, row.decimals)}"
    numbers = [(value + half, f"{row.metric} {row.arrow}".strip()), (constant, "by a constant prediction")]
    sentence = f"{_rows(run)}{row.metric} of {row.task} is {value}{half}; a constant prediction reaches {constant}"
    other = next((name for name in SIMPLE if name in row.others), None)
    if other is None:
        return Headline(tuple(numbers), f"{sentence}, and no linear model was trained as a baseline.")
    level, gain = shown(row.others[other].test, row.decimals), row.gains[other]
    numbers.append((level, f"by {MODELS[other]}"))
    verdict = {"better": "the result is better than that", "worse": "the result is worse than that"}
    sure = verdict.get(gain.verdict if gain else "", "beyond chance there is no difference")
    return Headline(tuple(numbers), f"{sentence}, {MODELS[other]} {level}: {sure}.")


def _of_many(run: Run, table: Sequence[Row]) -> Headline:
    numbers, parts = _against_constants(table), []
    if numbers:
        parts.append(f"{numbers[0][0]} targets beat a constant prediction, beyond chance")
    other = next((name for name in SIMPLE if name in table[0].others), None)
    if other is None:
        parts.append("no linear model was trained as a baseline")
    else:
        tally = next(one for one in tallies(table) if one.other == MODELS[other])
        numbers.append((f"{tally.better:,} better, {tally.worse:,} worse", f"than {tally.other}, beyond chance"))
        parts.append(f"against {tally.other}, {tally.better:,} better, {tally.worse:,} worse, "
                     f"{tally.equal:,} without a difference beyond chance")  # fmt: skip
    sentence = _rows(run) + "; ".join(parts)
    return Headline(tuple(numbers), f"{sentence[:1].upper()}{sentence[1:]}.")


def _against_constants(table: Sequence[Row]) -> list[tuple[str, str]]:
    """How many targets are better than a constant prediction, and the mean skill; nothing if no constant is known."""
    known = [row for row in table if row.trivial is not None]
    skills = [found for row in known if (found := _skill(row)) is not None]
    if not skills:
        return []
    beaten = sum(row.beats_constant for row in known)
    return [(f"{beaten:,} of {len(known):,}", "targets beat a constant prediction, beyond chance"),
            (percent(fmean(skills), 0), "mean skill (0 %: a constant, 100 %: a perfect prediction)")]  # fmt: skip


def _skill(row: Row) -> float | None:
    """Skill of the test value, at least 0: what is worse than useless for one target is useless."""
    if row.ours.test is None or row.trivial is None:
        return None
    return number(skill(row.ours.test, row.trivial, row.direction, least=0.0))


def _rows(run: Run) -> str:
    if run.folds:
        return f"Over {run.folds} folds, "
    rows = number((run.totals.get("rows") or {}).get("test"))
    return f"On {shown(rows, 0)} test rows, " if rows else ""
