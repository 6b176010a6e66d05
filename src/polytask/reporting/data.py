"""What a run has learned from: rows, labels, columns, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..records.run import Run
from ..records.values import number
from .numbers import short

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Target:
    """One target of the data.

    Attributes:
        name: Its name.
        kind: Its kind.
        labels: Rows with a label, all parts together.
        missing: Share of the rows without one.
        shares: Name and share of every class in training, the most frequent first.
        numbers: Least, middle and largest label in training, as text; empty for classes.
    """

    name: str
    kind: str
    labels: int
    missing: float | None
    shares: tuple[tuple[str, float], ...]
    numbers: str


@dataclass(frozen=True)
class Data:
    """What the report states about the data; every list may be empty.

    Attributes:
        rows: Rows by part.
        targets: The targets.
        columns: Lines on the features.
        left_out: Lines on what is not used, and why.
        notes: Lines on how the data were read.
        warnings: Leaks, and what else a reader should know.
    """

    rows: dict[str, int]
    targets: list[Target]
    columns: list[str]
    left_out: list[str]
    notes: list[str]
    warnings: Sequence[str]


def data_of(run: Run) -> Data | None:
    """The data of a run; None where its log does not describe them."""
    found = run.log.overview
    described = found.get("targets")
    if not isinstance(described, dict) or not described:
        return None
    total = sum(run.log.rows.values())
    targets = [_target(str(name), target, total) for name, target in described.items() if isinstance(target, dict)]
    columns, left_out, notes = (_lines(found.get(key)) for key in ("columns", "left_out", "notes"))
    return Data(run.log.rows, targets, columns, left_out, notes, run.log.warnings)


def _target(name: str, found: Mapping[str, Any], rows: int) -> Target:
    parts = found.get("labels")
    labels = int(sum(number(count) or 0.0 for count in parts.values())) if isinstance(parts, dict) else 0
    shares = found.get("shares") if isinstance(found.get("shares"), dict) else {}
    known = [(str(label), share) for label, value in (shares or {}).items() if (share := number(value)) is not None]
    return Target(
        name, str(found.get("kind") or ""), labels, 1 - labels / rows if rows else None,
        tuple(sorted(known, key=lambda pair: -pair[1])), _numbers(found.get("quantiles")),
    )  # fmt: skip


def _numbers(quantiles: Any) -> str:
    """Least, middle and largest in words.

    Example:
        >>> _numbers([0.0, 1.0, 2.0, 3.0, 6050.0]), _numbers(None)
        ('0 to 6,050, median 2', '')
    """
    values = [number(value) for value in quantiles] if isinstance(quantiles, list) else []
    if len(values) != 5:
        return ""
    least, _, median, _, largest = (short(0.0 if value is None else value, 3) for value in values)
    return f"{least} to {largest}, median {median}"


def _lines(found: Any) -> list[str]:
    return [str(line) for line in found] if isinstance(found, list) else []
