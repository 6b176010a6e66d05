"""What a metric's value means: which way is better, how good it is, and what better and equal mean for two."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Two values are called equal when they differ by at most this share of the one compared with.
EQUAL_WITHIN = 0.002
#: Below this share of the way from a trivial to a perfect prediction nothing has been learned: a task that never got
#: above it has no peak to keep.
LEAST_SKILL = 0.02
#: Below this share a value is too near to trivial to be the scale of a relative gain: R2 .06 after .03 is no +100 %.
LEAST_SCALE = 0.1


def direction_of(higher_is_better: bool) -> str:
    """``max`` if higher is better, else ``min``: as results say it."""
    return "max" if higher_is_better else "min"


def arrow(direction: str) -> str:
    """Which way is better; empty if unknown."""
    return {"max": "↑", "min": "↓"}.get(direction, "")


def sign(direction: str) -> float:
    """1 if higher is better, else -1: times it, more is better."""
    return -1.0 if direction == "min" else 1.0


def perfect(direction: str) -> float:
    """The best value: 1 of a metric to maximise, 0 of one to minimise."""
    return 0.0 if direction == "min" else 1.0


def best_of(values: Iterable[float], direction: str) -> float | None:
    """The best of some values; None if there are none.

    Example:
        >>> best_of([0.5, 0.25], "min"), best_of([], "max")
        (0.25, None)
    """
    return max(values, key=lambda value: sign(direction) * value, default=None)


def skill(value: float, trivial: float, direction: str, least: float = -math.inf) -> float:
    """Skill score: 0 for a trivial prediction, 1 for a perfect one, negative below trivial; NaN if undefined.

    ``(value - trivial) / (perfect - trivial)``. Unlike the value itself it can be compared among metrics.

    Args:
        value: The value.
        trivial: That of a constant prediction; if it is perfect, nothing has skill (0).
        direction: ``max`` or ``min``.
        least: Bound from below: of what is worse than useless for a task, none shall decide for all others.

    Example:
        >>> skill(0.75, 0.5, "max"), skill(0.5, 2.0, "min"), skill(9.0, 2.0, "min", least=-1.0)
        (0.5, 0.75, -1.0)
    """
    distance = perfect(direction) - trivial
    found = (value - trivial) / distance if distance else 0.0
    return found if math.isnan(found) else max(least, found)


@dataclass(frozen=True)
class Gain:
    """One value against another, signed so that plus always means better.

    Attributes:
        difference: In units of the metric.
        relative: As a share of the size of the value compared with; None where that is no scale (it is 0, or hardly
            better than a trivial prediction).
        verdict: ``better``, ``equal`` or ``worse``.
    """

    difference: float
    relative: float | None
    verdict: str


def gain(
    ours: float | None,
    other: float | None,
    direction: str,
    trivial: float | None = None,
    interval: Sequence[float] | None = None,
) -> Gain | None:
    """Compare two values of one metric; None if one of them is undefined.

    Args:
        ours: The value in question.
        other: The value compared with.
        direction: ``max`` or ``min``, which way is better.
        trivial: Value of a constant prediction, if known.
        interval: Confidence interval of the difference, plus where ours is better: one that holds 0 means equal.
            Without an interval, values within 0.2 % are equal.

    Example:
        >>> gain(0.9, 0.8, "max").verdict, gain(0.9, 0.8, "min").verdict, gain(0.9, 0.9005, "max").verdict
        ('better', 'worse', 'equal')
        >>> gain(0.2, -0.1, "max", trivial=0.0)
        Gain(difference=0.30000000000000004, relative=None, verdict='better')
        >>> gain(0.9, 0.8, "max", interval=(-0.02, 0.22)).verdict
        'equal'
        >>> gain(0.9, None, "max") is None
        True
    """
    if ours is None or other is None:
        return None
    difference = sign(direction) * (ours - other)
    relative = difference / abs(other) if other and _is_scale(other, direction, trivial) else None
    if interval is not None:
        verdict = "better" if interval[0] > 0 else "worse" if interval[1] < 0 else "equal"
        return Gain(difference, relative, verdict)
    if abs(difference) <= EQUAL_WITHIN * abs(other):
        return Gain(difference, relative, "equal")
    return Gain(difference, relative, "better" if difference > 0 else "worse")


def _is_scale(other: float, direction: str, trivial: float | None) -> bool:
    return trivial is None or skill(other, trivial, direction) >= LEAST_SCALE


def mean_relative(gains: Iterable[Gain | None]) -> float | None:
    """Mean of the relative gains that are defined (one metric per task, higher is better); None if there is none."""
    known = [found.relative for found in gains if found is not None and found.relative is not None]
    return sum(known) / len(known) if known else None
