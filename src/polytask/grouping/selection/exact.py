"""The proven best networks for a budget: a dynamic programme over sets of tasks.

An optimal choice divides the tasks into served sets, one per network, and is worth the sum of the networks' values to
their served sets (:mod:`~polytask.grouping.selection.served`). Let ``best(n)[S]`` be the largest worth of a set S of
tasks with n[i] networks of price i. It follows from two smaller counts a + b = n:

    best(n)[S] = max over A in S of best(a)[A] + best(b)[S - A].

For the set of all tasks that is one pass over 2^K sets; only the halves are needed for all sets, so a budget of up to 4
networks of one price takes one pass over 3^K / 2 pairs, one of up to 6 two passes, one of up to 8 three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from .budget import Counts
from .maxplus import divide_all, subsets

Part = tuple[int, int]  # a served set, and the price of its network


class Divisions:
    """Best divisions of the tasks among networks; what counts of networks share is computed once.

    Args:
        values: for every price the worth of one network to every set, shape [2^n]; -inf where none may serve it.
        ceiling: no division is worth more.

    Example:
        >>> values = np.array([0.0, 1, 1, 1.5])  # two tasks, each worth 1 to a network of its own
        >>> divisions = Divisions([values], ceiling=2.0)
        >>> divisions.total((1,)), divisions.total((2,)), divisions.parts((2,))
        (1.5, 2.0, [(1, 0), (2, 0)])
    """

    def __init__(self, values: Sequence[np.ndarray], ceiling: float = np.inf) -> None:
        self.ceiling = ceiling
        self.kinds = len(values)
        self._tables = {_one(kind, self.kinds): table for kind, table in enumerate(values)}
        self._totals: dict[Counts, float] = {}

    def best(self, counts: Counts) -> np.ndarray:
        """Shape [2^n]: the largest worth of every set with these networks or fewer."""
        if counts not in self._tables:
            first, second = (self.best(part) for part in split(counts))
            table = divide_all(first, second)
            if not _nested(counts):
                np.maximum(table, divide_all(second, first), out=table)
            self._tables[counts] = table
        return self._tables[counts]

    def total(self, counts: Counts) -> float:
        """The largest worth of all tasks with these networks or fewer; -inf if they cannot serve all."""
        if counts not in self._totals:
            self._totals[counts] = self._total(counts)
        return self._totals[counts]

    def _total(self, counts: Counts) -> float:
        if sum(counts) == 1:
            return float(self.best(counts)[-1])
        one_less = _without_one(counts)
        if sum(counts) > 2 and self.total(one_less) >= self.ceiling:
            return self.total(one_less)
        first, second = (self.best(part) for part in split(counts))
        return float((first + second[::-1]).max())  # the rest of set A is set 2^n - 1 - A

    def cheapest(self, choices: Iterable[Counts], slack: Callable[[float], float]) -> Counts | None:
        """The first of the best choices; None if none serves all tasks.

        Args:
            choices: the cheapest first.
            slack: how much less than a given worth counts as equal to it.
        """
        choices = list(choices)
        totals = [self.total(counts) for counts in choices]
        top = max(totals, default=-np.inf)
        if top == -np.inf:
            return None
        least = top - slack(top)
        return next(counts for counts, total in zip(choices, totals, strict=True) if total >= least)

    def parts(self, counts: Counts) -> list[Part]:
        """A best division of all tasks."""
        full = len(next(iter(self._tables.values()))) - 1
        return sorted(self._parts(counts, full))

    def _parts(self, counts: Counts, mask: int) -> list[Part]:
        if mask == 0:
            return []
        if sum(counts) == 1:
            return [(mask, counts.index(1))]
        left, right = split(counts)
        firsts = subsets(mask)
        first = int(firsts[(self.best(left)[firsts] + self.best(right)[mask ^ firsts]).argmax()])
        return self._parts(left, first) + self._parts(right, mask ^ first)


def split(counts: Counts) -> tuple[Counts, Counts]:
    """Two smaller counts with this sum: halves of one price, or the dearest networks and the others.

    Example:
        >>> split((5,)), split((3, 2))
        (((3,), (2,)), ((0, 2), (3, 0)))
    """
    kinds = [kind for kind, number in enumerate(counts) if number]
    last = kinds[-1]
    if len(kinds) > 1:
        dear = tuple(number if kind == last else 0 for kind, number in enumerate(counts))
        return dear, tuple(number - part for number, part in zip(counts, dear, strict=True))
    number = counts[last]
    half = tuple(number - number // 2 if kind == last else 0 for kind in range(len(counts)))
    return half, tuple(all_ - part for all_, part in zip(counts, half, strict=True))


def _nested(counts: Counts) -> bool:
    """Whether the first of the two parts is nowhere worse than the second (it has no fewer networks of one price)."""
    return sum(number > 0 for number in counts) == 1


def _without_one(counts: Counts) -> Counts:
    last = max(kind for kind, number in enumerate(counts) if number)
    return tuple(number - (kind == last) for kind, number in enumerate(counts))


def _one(kind: int, kinds: int) -> Counts:
    return tuple(int(other == kind) for other in range(kinds))
