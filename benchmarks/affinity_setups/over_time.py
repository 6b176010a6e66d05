"""One affinity from its history over training."""

from __future__ import annotations

import numpy as np

from polytask.grouping import Windows

TIMES = ("mean", "trapezoid", "winsorised")
#: Windows beyond these quantiles count as if they were there.
QUANTILES = (0.05, 0.95)


def over_time(windows: Windows, how: str = "mean") -> np.ndarray:
    """``[K, K]`` one affinity per pair.

    Args:
        windows: The history.
        how: ``mean`` of all samples; ``trapezoid``: the integral over steps by the trapezoidal rule, divided by their
            range, so that unevenly spaced samples count by time; ``winsorised``: the mean after extreme windows (beyond
            the 5 % and 95 % quantiles of the pair) are drawn in.

    Returns:
        0 for a pair that was never seen together.

    Example:
        >>> steps = np.array([[0, 1], [10, 11], [90, 91]])
        >>> windows = Windows(steps, np.array([1.0, 1.0, 9.0]).reshape(3, 1, 1), np.ones((3, 1, 1), int))
        >>> [round(float(over_time(windows, how)[0, 0]), 3) for how in TIMES]
        [3.667, 4.556, 3.4]
    """
    if how == "mean" or not len(windows):
        return windows.mean()
    seen = windows.counts > 0
    values = np.where(seen, windows.means, np.nan)
    result = windows.mean()
    for i, j in np.argwhere(seen.any(0)):
        there = seen[:, i, j]
        value, count = values[there, i, j], windows.counts[there, i, j]
        if how == "winsorised":
            result[i, j] = np.average(np.clip(value, *np.quantile(value, QUANTILES)), weights=count)
        elif len(value) > 1:
            middle = windows.steps[there].mean(1)
            result[i, j] = np.trapezoid(value, middle) / (middle[-1] - middle[0])
    return result
