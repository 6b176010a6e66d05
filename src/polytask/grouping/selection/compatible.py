"""Sets of tasks of which no two must be kept separate."""

from __future__ import annotations

import numpy as np


def compatible_sets(apart: np.ndarray) -> list[np.ndarray]:
    """The largest sets of tasks without two that must be kept separate (maximal independent sets).

    Args:
        apart: shape [K, K], bool, symmetric, false on the diagonal.

    Returns:
        sets, each shape [K], bool.

    Source: C. Bron, J. Kerbosch, "Algorithm 457", Communications of the ACM 16(9), 1973, with pivot.

    Example:
        >>> apart = np.zeros((3, 3), bool)
        >>> apart[0, 1] = apart[1, 0] = True
        >>> [np.flatnonzero(one).tolist() for one in compatible_sets(apart)]
        [[0, 2], [1, 2]]
    """
    count = len(apart)
    friends = [set(np.flatnonzero(~apart[task]).tolist()) - {task} for task in range(count)]
    found: list[list[int]] = []

    def extend(chosen: list[int], candidates: set[int], excluded: set[int]) -> None:
        if not candidates and not excluded:
            found.append(chosen)
            return
        pivot = max(candidates | excluded, key=lambda task: len(friends[task] & candidates))
        for task in sorted(candidates - friends[pivot]):
            extend([*chosen, task], candidates & friends[task], excluded & friends[task])
            candidates = candidates - {task}
            excluded = excluded | {task}

    extend([], set(range(count)), set())
    return [np.isin(np.arange(count), chosen) for chosen in sorted(sorted(chosen) for chosen in found)]


def without_conflicts(members: np.ndarray, sums: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Helpers that may join each served set together: of two that must be kept separate the better one.

    Args:
        members: shape [n, K], 0 and 1, the served sets.
        sums: shape [n, K], how much each task would help.
        apart: shape [K, K], bool, symmetric.

    Returns:
        shape [n, K], bool.

    Example:
        >>> apart = np.zeros((3, 3), bool)
        >>> apart[0, 1] = apart[1, 0] = True
        >>> without_conflicts(np.array([[0, 0, 1]]), np.array([[1.0, 2.0, 0.0]]), apart).tolist()
        [[False, True, True]]
    """
    free = (members @ apart) == 0
    first, second = np.nonzero(np.triu(apart))
    both = free[:, first] & free[:, second]
    better = sums[:, first] >= sums[:, second]
    dropped = np.zeros(free.shape, bool)
    for pair, (one, other) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        dropped[:, one] |= both[:, pair] & ~better[:, pair]
        dropped[:, other] |= both[:, pair] & better[:, pair]
    return free & ~dropped
