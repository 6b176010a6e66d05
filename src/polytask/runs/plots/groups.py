"""Columns that say the same: joined by the correlation of their ranks."""

from __future__ import annotations

import numpy as np

from ...data.ranks import ranks


def correlated_groups(values: np.ndarray, least: float) -> list[tuple[int, ...]]:
    """Groups of rows of ``values`` that are connected by rank correlations of at least ``least``, in order.

    Args:
        values: ``[F, n]`` of F columns, without NaN.
        least: From which absolute correlation on two belong in one group; above 1 none do.

    Example:
        >>> x = np.arange(9.0)
        >>> correlated_groups(np.stack([x, x[::-1] ** 3, np.tile([0.0, 1.0, 0.0], 3)]), 0.9)
        [(0, 1), (2,)]
    """
    alone: list[tuple[int, ...]] = [(place,) for place in range(len(values))]
    if len(values) < 2 or least > 1:
        return alone
    with np.errstate(invalid="ignore", divide="ignore"):
        joined = np.abs(np.nan_to_num(np.corrcoef(ranks(values.T).T))) >= least
    if not (joined & ~np.eye(len(values), dtype=bool)).any():
        return alone
    from scipy.sparse.csgraph import connected_components  # takes a moment to load

    labels = connected_components(joined)[1].tolist()
    return [tuple(np.flatnonzero(np.array(labels) == label).tolist()) for label in dict.fromkeys(labels)]
