"""Cost against quality, with the front of methods that nobody beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...reporting.numbers import shown
from ...reporting.svg import Frame, drawing, element, padded, path, shortened, width_of
from .labels import clusters, spread

LINE = 12.5
LETTER = 6.2
#: From a point to a label that had to be moved up or down.
AWAY = 24.0
WIDTH = 460.0


@dataclass(frozen=True)
class Point:
    """One method: its cost, its quality, and whether it is on the front."""

    name: str
    cost: float
    quality: float
    front: bool = False


def scatter(points: Sequence[Point], cost: str, quality: str) -> Markup:
    """A point for each method; the front is joined. Costs are drawn in powers of ten if they differ much.

    Args:
        points: The methods.
        cost: What the cost is, with its unit; less is better.
        quality: What the quality is; more is better.
    """
    costs = [point.cost for point in points]
    log = min(costs) > 0 and max(costs) / min(costs) > 20
    xs = [math.log10(value) if log else value for value in costs]
    frame = Frame(padded(xs, 0.12), padded([point.quality for point in points], 0.12), WIDTH, 280, left=56, right=16)
    places = [frame.at(x, point.quality) for x, point in zip(xs, points, strict=True)]
    front = sorted((number for number, point in enumerate(points) if point.front), key=lambda number: costs[number])
    line = [path([places[number] for number in front], "line front")] if len(front) > 1 else []
    marks = map(_mark, points, places, _labels(points, frame, places))
    on_front = ", ".join(points[number].name for number in front)
    label = f"{quality} against {cost}; on the front: {on_front or 'not drawn'}"
    axes = frame.axes(f"{cost}{' (power of ten)' if log else ''}", quality)
    return drawing(frame.width, frame.height, label, *axes, *line, *marks)


def _labels(points: Sequence[Point], frame: Frame, places: Sequence[tuple[float, float]]) -> list[float]:
    """The height of each label: those that share a part of the width stand one below another."""
    heights = [0.0] * len(points)
    for cluster in clusters([_span(point, x) for point, (x, _) in zip(points, places, strict=True)]):
        wanted = [places[number][1] for number in cluster]
        for number, height in zip(cluster, spread(wanted, LINE, frame.top, frame.height - frame.bottom), strict=True):
            heights[number] = height
    return heights


def _is_left(x: float) -> bool:
    """Near the right edge a label stands left of its point."""
    return x > WIDTH - 100


def _span(point: Point, x: float) -> tuple[float, float]:
    """Left and right end of a point with its label."""
    width = AWAY + LETTER * width_of(shortened(point.name, 14))
    return (x - width, x + 5) if _is_left(x) else (x - 5, x + width)


def _mark(point: Point, place: tuple[float, float], height: float) -> Markup:
    x, y = place
    side = -1 if _is_left(x) else 1
    moved = [path([(x + 4.5 * side, y), (x + (AWAY - 2) * side, height)], "leader")] if abs(height - y) > 3 else []
    return element(
        "g",
        element("title", f"{point.name}: cost {shown(point.cost, 0)}, quality {shown(point.quality)}"),
        *moved,
        element("circle", cx=x, cy=y, r=4.5, class_="dot" if point.front else "dot beaten"),
        element("text", shortened(point.name, 14), x=x + (AWAY if moved else 8) * side, y=height + 4,
                text_anchor="end" if side < 0 else "start", class_="name"),
        class_="method",
        data_method=point.name,
    )  # fmt: skip
