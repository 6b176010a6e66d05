"""Mean rank of methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def mean_ranks(values: ArrayLike, higher_is_better: Sequence[bool]) -> np.ndarray:
    """Rank all methods on every metric (1 is best, ties get their average rank), then average over metrics.

    The result depends on the set of competitors and cannot be compared across comparisons.

    Args:
        values: ``[methods, metrics]``; NaN ranks last.
        higher_is_better: ``[metrics]``.

    Returns:
        ``[methods]``.

    Example:
        >>> mean_ranks([[0.9, 1.0], [0.8, 1.0], [0.7, 2.0]], [True, False]).tolist()
        [1.25, 1.75, 3.0]
    """
    from scipy.stats import rankdata

    costs = np.where(higher_is_better, -1.0, 1.0) * np.asarray(values, dtype=float)
    return rankdata(np.nan_to_num(costs, nan=np.inf, posinf=np.inf, neginf=-np.inf), axis=0).mean(1)
