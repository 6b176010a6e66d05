"""Plots as data: lines and points on two axes, or a matrix. Nothing is drawn here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A line, or points without one.

    Attributes:
        name: What it is.
        points: ``(x, y)`` in order.
        spans: ``(low, high)`` of each point's interval; none if empty.
        role: ``ours``, ``reference`` (what a constant or a perfect prediction gives), ``points`` (not joined) or
            ``mark`` (one point that stands out).
    """

    name: str
    points: tuple[Point, ...]
    spans: tuple[Point, ...] = ()
    role: str = "ours"


@dataclass(frozen=True)
class Graph:
    """Lines and points on two axes.

    Attributes:
        name: For files and look-ups, such as ``roc``.
        title: For readers.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
        lines: What is drawn.
        whole: Whether both axes go from 0 to 1.
        note: How to read it.
    """

    name: str
    title: str
    x: str
    y: str
    lines: tuple[Curve, ...]
    whole: bool = False
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values with four significant digits."""
        lines = [
            {"name": line.name, "role": line.role, "points": _rounded(line.points)}
            | ({"spans": _rounded(line.spans)} if line.spans else {})
            for line in self.lines
        ]
        return {"name": self.name, "title": self.title, "x": self.x, "y": self.y, "whole": self.whole,
                "note": self.note, "lines": lines}  # fmt: skip


@dataclass(frozen=True)
class Matrix:
    """A matrix of numbers with names.

    Attributes:
        name: For files and look-ups, such as ``confusion``.
        title: For readers.
        rows: Names of the rows.
        columns: Names of the columns.
        values: ``[R][C]``, None where undefined.
        across: What the columns are.
        down: What the rows are.
        shades: ``[R][C]`` from -1 to 1, how strong a cell is coloured; the values if None.
        note: How to read it.
    """

    name: str
    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    across: str = ""
    down: str = ""
    shades: tuple[tuple[float | None, ...], ...] | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values with four significant digits."""
        found: dict[str, Any] = {"name": self.name, "title": self.title, "rows": list(self.rows),
                                 "columns": list(self.columns), "values": _rounded(self.values),
                                 "across": self.across, "down": self.down, "note": self.note}  # fmt: skip
        return found if self.shades is None else found | {"shades": _rounded(self.shades)}


def plot_of_dict(stored: Mapping[str, Any]) -> Graph | Matrix:
    """The plot of which ``stored`` is the dictionary.

    Raises:
        KeyError, TypeError, ValueError: If it is none.

    Example:
        >>> chart = Graph("roc", "ROC", "x", "y", (Curve("ours", ((0.0, 0.123456), (1.0, 1.0))),))
        >>> plot_of_dict(chart.to_dict()).lines[0].points
        ((0.0, 0.1235), (1.0, 1.0))
    """
    if "lines" in stored:
        lines = tuple(
            Curve(str(line["name"]), _pairs(line["points"]), _pairs(line.get("spans", ())), str(line["role"]))
            for line in stored["lines"]
        )
        name, title, x, y = (str(stored[key]) for key in ("name", "title", "x", "y"))
        return Graph(name, title, x, y, lines, bool(stored.get("whole")), str(stored.get("note", "")))
    shades = stored.get("shades")
    return Matrix(
        str(stored["name"]), str(stored["title"]), tuple(map(str, stored["rows"])), tuple(map(str, stored["columns"])),
        _table(stored["values"]), str(stored.get("across", "")), str(stored.get("down", "")),
        None if shades is None else _table(shades), str(stored.get("note", "")),
    )  # fmt: skip


def points_of(x: Tensor, y: Tensor) -> tuple[Point, ...]:
    """Two tensors ``[n]`` as points."""
    return tuple(zip(x.double().tolist(), y.double().tolist(), strict=True))


def _rounded(rows: Sequence[Sequence[float | None]]) -> list[list[float | None]]:
    return [[None if v is None or not math.isfinite(v) else float(f"{v:.4g}") for v in row] for row in rows]


def _pairs(stored: Sequence[Sequence[Any]]) -> tuple[Point, ...]:
    return tuple((_number(x), _number(y)) for x, y in stored)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _table(stored: Sequence[Sequence[Any]]) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if value is None else float(value) for value in row) for row in stored)
