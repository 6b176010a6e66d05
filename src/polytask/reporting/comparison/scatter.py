"""Cost against quality, with the front of methods that nobody beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..numbers import shown
from ..svg import Frame, drawing, element, padded, path, shortened, width_of

LABEL = 11.0
LETTER = 6.2
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
    places = {point.name: frame.at(x, point.quality) for x, point in zip(xs, points, strict=True)}
    front = sorted((point for point in points if point.front), key=lambda point: point.cost)
    line = [path([places[point.name] for point in front], "line front")] if len(front) > 1 else []
    marks = [_mark(point, places[point.name], y) for point, y in _labels(points, places)]
    on_front = ", ".join(point.name for point in front)
    label = f"{quality} against {cost}; on the front: {on_front or 'not drawn'}"
    axes = frame.axes(f"{cost}{' (power of ten)' if log else ''}", quality)
    return drawing(frame.width, frame.height, label, *axes, *line, *marks)


def _labels(points: Sequence[Point], places: dict[str, tuple[float, float]]) -> list[tuple[Point, float]]:
    """The height of each label, moved away from other labels and points."""
    boxes: list[tuple[float, float, float]] = []
    found = []
    for point in sorted(points, key=lambda point: places[point.name][1]):
        left, y = _start(point, places[point.name][0]), places[point.name][1]
        right = left + LETTER * width_of(shortened(point.name, 14))
        others = [place for name, place in places.items() if name != point.name]
        boxes_of_points = [(x - 5, x + 5, height) for x, height in others]
        for shift in (0.0, 9.0, -9.0, 18.0, -18.0, 27.0, -27.0, 36.0, 45.0):
            if not any(
                a < right and b > left and abs(y + shift - height) < LABEL for a, b, height in boxes + boxes_of_points
            ):
                y += shift
                break
        boxes.append((left, right, y))
        found.append((point, y))
    return found


def _start(point: Point, x: float) -> float:
    """Left end of a label; near the right edge it stands left of its point."""
    return x - 8 - LETTER * width_of(shortened(point.name, 14)) if x > WIDTH - 100 else x + 8


def _mark(point: Point, place: tuple[float, float], label: float) -> Markup:
    x, y = place
    left = x > WIDTH - 100
    return element(
        "g",
        element("title", f"{point.name}: cost {shown(point.cost, 0)}, quality {shown(point.quality)}"),
        element("circle", cx=x, cy=y, r=4.5, class_="dot" if point.front else "dot beaten"),
        element("text", shortened(point.name, 14), x=x - 8 if left else x + 8, y=label + 4,
                text_anchor="end" if left else "start", class_="name"),
        class_="method",
        data_method=point.name,
    )  # fmt: skip
