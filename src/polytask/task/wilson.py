"""How sure a share of some rows is.

Source:
    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927; for dependent rows
    J. N. K. Rao and A. J. Scott, "A Simple Method for the Analysis of Clustered Binary Data", Biometrics 1992.
"""

from __future__ import annotations

import torch
from torch import Tensor


def wilson(hits: Tensor, units: Tensor | None = None, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of the share of rows that are hit.

    Args:
        hits: ``[n]`` 1 or 0.
        units: ``[n]`` what the rows count as: equal ones are not independent. By default each row is its own.
        z: Normal quantile.

    Example:
        >>> low, high = wilson(torch.zeros(10))
        >>> low, round(high, 2)
        (0.0, 0.28)
        >>> hits, pairs = torch.tensor([1.0, 0.0]).repeat(50), torch.arange(100)
        >>> wilson(hits.repeat(2), pairs.repeat(2)) == wilson(hits)  # every row twice
        True
    """
    hits = hits.double()
    share = float(hits.mean())
    rows = len(hits) if units is None else _independent(hits - share, units)
    more = z * z / rows
    middle = (share + more / 2) / (1 + more)
    half = z / (1 + more) * (share * (1 - share) / rows + more / (4 * rows)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _independent(away: Tensor, units: Tensor) -> float:
    """So many independent rows would be as sure, at most all: rows divided by the design effect."""
    _, places = units.cpu().unique(return_inverse=True)
    count = int(places.max()) + 1
    within = float(torch.zeros(count, dtype=torch.float64).index_add_(0, places, away).square().sum())
    if count == len(away) or not within:
        return float(count)
    return min(float(len(away)), float(away.square().sum()) / within * len(away))
