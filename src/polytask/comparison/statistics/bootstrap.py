"""Intervals for a mean over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap interval; the ends are None with fewer than two values."""

    mean: float
    low: float | None
    high: float | None


def bootstrap_interval(values: ArrayLike, *, level: float = 0.95, resamples: int = 5000, seed: int = 0) -> Interval:
    """Bias-corrected and accelerated bootstrap (Efron 1987) of the mean; percentiles where that is not defined.

    With few seeds a bootstrap interval is too narrow (five seeds: about 85 % coverage instead of 95 %): it shows
    the spread, the paired tests decide.

    Args:
        values: ``[n]`` one value per seed; NaN is left out.
        level: Nominal coverage.
        resamples: Number of resamples.
        seed: Seed of the resamples.

    Example:
        >>> found = bootstrap_interval([1.0, 2.0, 3.0, 4.0, 5.0])
        >>> found.mean, found.low < 3 < found.high
        (3.0, True)
    """
    from scipy.stats import bootstrap

    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return Interval(math.nan, None, None)
    mean = float(known.mean())
    if len(known) < 2:
        return Interval(mean, None, None)
    if np.ptp(known) == 0:
        return Interval(mean, mean, mean)
    method = "BCa" if len(known) > 2 else "percentile"
    found = bootstrap(
        (known,), np.mean, confidence_level=level, n_resamples=resamples, method=method, rng=np.random.default_rng(seed)
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))
