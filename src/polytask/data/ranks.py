"""Ranks of numbers."""

from __future__ import annotations

import numpy as np


def ranks(columns: np.ndarray) -> np.ndarray:
    """``[n, C]`` ranks within every column from 1 on; equal values share the mean of theirs.

    Those of ``scipy.stats.rankdata``, whose package takes half as long to load as PyTorch: every fit would wait for it.

    Args:
        columns: ``[n, C]``, without NaN.

    Example:
        >>> ranks(np.array([[3.0, 1.0], [5.0, 1.0], [3.0, 0.0]])).T
        array([[1.5, 3. , 1.5],
               [2.5, 2.5, 1. ]])
    """
    found = np.empty(columns.shape)
    for place, column in enumerate(columns.T):
        ordered = np.sort(column)
        below, upto = ordered.searchsorted(column), ordered.searchsorted(column, "right")
        found[:, place] = (below + upto + 1) / 2
    return found
