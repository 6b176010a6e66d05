"""Which mean ranks differ: the critical difference of Nemenyi's test (Demsar, JMLR 7, 2006)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Blocks beyond which the formula is good enough.
MOST_SIMULATED = 30


def critical_difference(methods: int, blocks: int, *, level: float = 0.05) -> float:
    """The difference of two mean ranks that is significant at ``level``, over all pairs of methods.

    ``q sqrt(k (k + 1) / (6 N))`` with ``q`` the quantile of the studentised range over the square root of 2.

    Args:
        methods: Number ``k`` of methods, at least 2.
        blocks: Number ``N`` of independent blocks (tasks or data sets) that the methods are ranked on.
        level: Error rate over all pairs.

    Example:
        >>> round(critical_difference(4, 14), 2)  # Demsar's own example
        1.25
    """
    from scipy.stats import studentized_range

    quantile = studentized_range.ppf(1 - level, methods, float("inf")) / 2**0.5
    return float(quantile * (methods * (methods + 1) / (6 * blocks)) ** 0.5)


def critical_range(methods: int, blocks: int, *, level: float = 0.05, draws: int = 20_000) -> float:
    """The same for few blocks, for which the formula promises too much (two methods, four blocks: an error of .125).

    The largest difference of two mean ranks is simulated for methods that are equal, and the smallest value is taken
    that at most ``level`` of the draws reach; at least the formula's. With more than 30 blocks it is the formula's.

    Args:
        methods: Number of methods, at least 2.
        blocks: Number of independent blocks.
        level: Error rate over all pairs.
        draws: Simulated comparisons; always the same.

    Returns:
        The number of methods, which no difference reaches, if so few blocks can show nothing.

    Example:
        >>> critical_range(2, 4), round(critical_range(2, 6), 2)
        (2.0, 0.83)
    """
    formula = critical_difference(methods, blocks, level=level)
    if blocks > MOST_SIMULATED:
        return formula
    rng = np.random.default_rng(0)
    sums = np.zeros((draws, methods), np.int64)
    for _ in range(blocks):
        sums += rng.random((draws, methods)).argsort(axis=1)
    ranges = np.ptp(sums, axis=1)
    reached = [(ranges >= value).mean() <= level for value in range((methods - 1) * blocks + 1)]
    return max(formula, reached.index(True) / blocks) if any(reached) else float(methods)


def cliques(ranks: Sequence[float], difference: float) -> list[list[int]]:
    """Largest groups of methods whose mean ranks differ by less than ``difference``: the bars of the diagram.

    Args:
        ranks: Mean rank of each method.
        difference: The critical difference.

    Returns:
        Indices into ``ranks``, best first; only groups of two or more that are in no other group.

    Example:
        >>> cliques([1.0, 2.5, 1.4, 4.0], 1.2)
        [[0, 2], [2, 1]]
    """
    order = sorted(range(len(ranks)), key=lambda index: ranks[index])
    groups: list[list[int]] = []
    reached = -1
    for start, first in enumerate(order):
        end = max(place for place, index in enumerate(order) if ranks[index] - ranks[first] < difference)
        if end > start and end > reached:
            groups.append(order[start : end + 1])
            reached = end
    return groups
