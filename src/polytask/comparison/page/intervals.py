"""Means with their intervals, one line for each method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...reporting.numbers import shown
from ...reporting.svg import drawing, element, padded, shortened, ticks

LINE = 26.0
LEFT, RIGHT, TOP, BOTTOM = 118.0, 16.0, 10.0, 40.0
WIDTH = 460.0


@dataclass(frozen=True)
class Line:
    """One method: its mean, the ends of its interval, and the values of the seeds."""

    name: str
    mean: float
    low: float | None
    high: float | None
    seeds: Sequence[float] = ()


def intervals(lines: Sequence[Line], label: str, zero: bool = False) -> Markup:
    """A dot for the mean, a bar for the interval, a tick for every seed; ``zero`` marks where nothing is gained."""
    ends = [value for line in lines for value in (line.low, line.high, line.mean, *line.seeds) if value is not None]
    low, high = padded([*ends, 0.0] if zero else ends)
    height = TOP + LINE * len(lines) + BOTTOM

    def at(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    bottom = height - BOTTOM
    grid = [
        part
        for value, text in ticks(low, high, most=6)
        for part in (
            element("line", x1=at(value), x2=at(value), y1=TOP, y2=bottom, class_="grid"),
            element("text", text, x=at(value), y=bottom + 15, text_anchor="middle", class_="tick"),
        )
    ]
    if zero:
        grid.append(element("line", x1=at(0.0), x2=at(0.0), y1=TOP, y2=bottom, class_="axis"))
    rows = [_row(line, TOP + LINE * (number + 0.5), at) for number, line in enumerate(lines)]
    name = element("text", label, x=WIDTH - RIGHT, y=height - 6, text_anchor="end", class_="label")
    said = "; ".join(f"{line.name} {shown(line.mean)}" for line in lines)
    return drawing(WIDTH, height, f"{label}: {said}", *grid, name, *rows)


def _row(line: Line, y: float, at: Callable[[float], float]) -> Markup:
    bar = ""
    if line.low is not None and line.high is not None:
        bar = element("line", x1=at(line.low), x2=at(line.high), y1=y, y2=y, class_="whisker")
    seeds = [element("line", x1=at(v), x2=at(v), y1=y - 5, y2=y + 5, class_="seed") for v in line.seeds]
    interval = "" if line.low is None else f" ({shown(line.low)} to {shown(line.high)})"
    return element(
        "g",
        element("title", f"{line.name}: {shown(line.mean)}{interval}"),
        element("text", shortened(line.name, 17), x=LEFT - 8, y=y + 4, text_anchor="end", class_="name"),
        *seeds,
        bar,
        element("circle", cx=at(line.mean), cy=y, r=4.5, class_="dot"),
        class_="method",
        data_method=line.name,
    )
