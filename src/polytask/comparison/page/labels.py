"""Names beside points, without one over another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spread(heights: Sequence[float], distance: float, least: float, most: float) -> list[float]:
    """Heights at least ``distance`` apart, in the same order and as near to the given ones as can be.

    Example:
        >>> spread([50.0, 50.0, 90.0], 10.0, 0.0, 100.0)
        [45.0, 55.0, 90.0]
        >>> spread([95.0, 99.0], 10.0, 0.0, 100.0)
        [90.0, 100.0]
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(heights, kind="stable")
    steps = distance * np.arange(len(order))
    last = max(least, most - distance * (len(order) - 1))
    found = isotonic_regression(np.asarray(heights, float)[order] - steps, y_min=least, y_max=last) + steps
    return found[np.argsort(order)].tolist()


def clusters(spans: Sequence[tuple[float, float]]) -> list[list[int]]:
    """Numbers of the spans ``(left, right)`` that hang together, from left to right.

    Example:
        >>> clusters([(0.0, 2.0), (5.0, 6.0), (1.0, 3.0)])
        [[0, 2], [1]]
    """
    found: list[list[int]] = []
    end = float("-inf")
    for number in sorted(range(len(spans)), key=lambda number: spans[number]):
        if spans[number][0] > end:
            found.append([])
        found[-1].append(number)
        end = max(end, spans[number][1])
    return found
