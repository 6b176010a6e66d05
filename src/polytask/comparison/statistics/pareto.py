"""The Pareto front."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def pareto_front(costs: ArrayLike) -> np.ndarray:
    """Which points are not dominated: no other point is as good in all objectives and better in one.

    Args:
        costs: ``[n, objectives]``, lower is better; a point with NaN is never on the front.

    Returns:
        ``[n]`` booleans.

    Example:
        >>> pareto_front([[1, 3], [2, 2], [3, 3], [2, 2]]).tolist()
        [True, True, False, True]
    """
    points = np.asarray(costs, dtype=float)
    defined = np.isfinite(points).all(1)
    no_worse = (points[:, None] <= points[None]).all(-1)
    better = (points[:, None] < points[None]).any(-1)
    beaten = (no_worse & better & defined[:, None]).any(0)
    return defined & ~beaten
