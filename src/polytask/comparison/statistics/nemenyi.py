"""Which mean ranks differ: the critical difference of Nemenyi's test (Demsar, JMLR 7, 2006)."""

from __future__ import annotations

from collections.abc import Sequence


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
