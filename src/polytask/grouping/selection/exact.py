"""The proven best networks for a budget: a dynamic programme over sets of tasks.

An optimal choice divides the tasks into served sets, one per network, and is worth the sum of the networks' values to
their served sets (:mod:`~polytask.grouping.selection.served`). Let ``best(k)[S]`` be the largest worth of a set S of
tasks with at most k networks. It follows from two halves:

    best(k)[S] = max over A in S of best(k - k//2)[A] + best(k//2)[S - A].

For the set of all tasks that is one pass over 2^K sets; only the halves are needed for all sets, so a budget of up to 4
takes one pass over 3^K / 2 pairs, one of up to 6 two passes, one of up to 8 three.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polytask.grouping.selection.describe import Group
from polytask.grouping.selection.maxplus import divide_all
from polytask.grouping.selection.result import TOLERANCE
from polytask.grouping.selection.served import Served
from polytask.grouping.selection.ties import first_of_optimal


@dataclass(frozen=True, eq=False)
class Exact:
    """Best choices for every budget; what budgets share is computed once.

    Args:
        served: the values of networks.

    Example:
        >>> gains = np.array([[0, 3, 0], [2, 0, 0], [0, 1, 0.0]])  # tasks 0 and 1 help each other, 1 helps 2
        >>> [(exact.total(2), exact.networks(2)) for exact in [Exact(Served(gains))]]
        [(6.0, [(0, 1), (1, 2)])]
    """

    served: Served

    @cached_property
    def _tables(self) -> dict[int, np.ndarray]:
        return {1: self.served.values(np.arange(1 << self.served.count))}

    @cached_property
    def _totals(self) -> dict[int, float]:
        return {}

    def best(self, budget: int) -> np.ndarray:
        """Shape [2^K]: the largest worth of every set of tasks with at most ``budget`` networks."""
        if budget not in self._tables:
            self._tables[budget] = divide_all(self.best(budget - budget // 2), self.best(budget // 2))
        return self._tables[budget]

    def total(self, budget: int) -> float:
        """The largest worth of all tasks with at most ``budget`` networks."""
        if budget not in self._totals:
            self._totals[budget] = self._total(budget)
        return self._totals[budget]

    def _total(self, budget: int) -> float:
        if budget == 1:
            return float(self.best(1)[-1])
        if budget > 2 and self._saturated(self.total(budget - 1)):
            return self.total(budget - 1)
        halves = self.best(budget - budget // 2), self.best(budget // 2)
        return float((halves[0] + halves[1][::-1]).max())  # the rest of set A is set 2^K - 1 - A

    def _saturated(self, total: float) -> bool:
        """Whether every task has already the best that any network could give it (so more networks are useless)."""
        return total >= float(self.served.best().sum()) - 1e-3 * self._tolerance(total)

    def networks(self, budget: int) -> list[Group]:
        """The preferred optimal networks: fewest, then fewest tasks in them, then first in task order."""
        total = self.total(budget)
        tolerance = self._tolerance(total)
        fewest = next(count for count in range(1, budget + 1) if self.total(count) >= total - tolerance)
        # an optimal choice is found by at most 2 * fewest decisions, each of which may give away as much
        return first_of_optimal(self.served, self.best, fewest, tolerance / (2 * fewest))

    def _tolerance(self, total: float) -> float:
        return TOLERANCE * max(self.served.count, abs(total))
