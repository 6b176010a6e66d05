"""What networks may cost: their number, and a price for each size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SLACK = 1e-9  # of a cost: sums of prices are rounded

Counts = tuple[int, ...]  # how many networks of each price


@dataclass(frozen=True, eq=False)
class Prices:
    """The prices that networks may have, ascending, each with the sizes that can be had for it.

    Args:
        costs: shape [m], ascending.
        sizes: shape [m, K + 1], bool: sizes that cost at most ``costs[i]``.

    Example:
        >>> prices = Prices.of(np.array([0.0, 0.5, 1.0, 1.0]))  # a network of one task costs half
        >>> prices.costs, prices.sizes.astype(int).tolist()
        ((0.5, 1.0), [[0, 1, 0, 0], [0, 1, 1, 1]])
        >>> list(prices.counts(total=2.0, networks=3, tasks=3))
        [(0, 1), (1, 1), (3, 0), (0, 2), (2, 1)]
    """

    costs: tuple[float, ...]
    sizes: np.ndarray

    @classmethod
    def of(cls, by_size: np.ndarray) -> Prices:
        """From the cost of every size, shape [K + 1]; inf: not to be had. Size 0 does not count."""
        costs = sorted({float(cost) for cost in by_size[1:] if math.isfinite(cost)})
        sizes = np.array([by_size <= cost for cost in costs])
        sizes[:, 0] = False
        return cls(tuple(costs), sizes)

    def counts(self, total: float, networks: int, tasks: int) -> Iterator[Counts]:
        """How many networks of each price can be had, cheapest first, then fewest; only what could serve all tasks."""
        largest = [int(np.flatnonzero(row).max()) for row in self.sizes]
        largest_cost = max(self.costs, default=1.0)  # equal costs are equal in any unit
        found = [
            counts
            for counts in self._affordable(total * (1 + SLACK), networks, len(self.costs))
            if sum(n * size for n, size in zip(counts, largest, strict=True)) >= tasks
        ]
        yield from sorted(found, key=lambda counts: (round(self.cost(counts) / largest_cost, 12), sum(counts), counts))

    def cost(self, counts: Counts) -> float:
        """The total price."""
        return sum(n * cost for n, cost in zip(counts, self.costs, strict=True))

    def _affordable(self, total: float, networks: int, kinds: int) -> Iterator[Counts]:
        if kinds == 0:
            yield ()
            return
        cost = self.costs[kinds - 1]
        for number in range(int(min(networks, total / cost)) + 1):
            for fewer in self._affordable(total - number * cost, networks - number, kinds - 1):
                yield (*fewer, number)
