"""The proven best networks for a budget, and of equally good ones the preferred ones."""

from __future__ import annotations

import numpy as np

from .budget import Counts
from .checks import Problem
from .describe import Group
from .exact import Divisions
from .ties import first_of_optimal


class Exact:
    """Best choices for every budget; what budgets share is computed once."""

    def __init__(self, problem: Problem) -> None:
        self.served, self.prices = problem.served, problem.prices
        ceiling = float(self.served.best().sum())
        values = [self.served.values(sizes) for sizes in self.prices.sizes]
        self.divisions = Divisions(values, ceiling - 1e-3 * self.served.slack(ceiling))

    def networks(self, most: int, total: float | None) -> list[Group] | None:
        """The preferred optimal networks, at most ``most``, with costs up to ``total``; None: constraints not met.

        One price: fewest, then fewest tasks in them, then first in task order. Several: cheapest, then fewest.
        """
        most = min(most, len(self.served.units))
        if len(self.prices.costs) == 1:
            return self._one_price(
                most if total is None else min(most, int(total * (1 + 1e-9) // self.prices.costs[0]))
            )
        choices = list(self.prices.counts(float("inf") if total is None else total, most, self.served.count))
        counts = self.divisions.cheapest(choices, self.served.slack)
        return None if counts is None else self._several_prices(counts)

    def _one_price(self, most: int) -> list[Group] | None:
        if most < 1:
            return None
        total = self.divisions.total((most,))
        if total == -float("inf"):
            return None
        tolerance = self.served.slack(total)
        fewest = next(n for n in range(1, most + 1) if self.divisions.total((n,)) >= total - tolerance)
        # an optimal choice is found by at most 2 * fewest decisions, each of which may give away as much
        return first_of_optimal(
            self.served, lambda n: self.divisions.best((n,)), fewest, tolerance / (2 * fewest), self.prices.sizes[0]
        )

    def _several_prices(self, counts: Counts) -> list[Group]:
        slack = self.served.slack(self.divisions.total(counts)) / (2 * sum(counts))
        found = []
        for mask, price in self.divisions.parts(counts):
            members = self.served.members(np.array([mask]))
            network = self.served.networks(members, slack, self.prices.sizes[price])[0]
            found.append(tuple(network.nonzero()[0].tolist()))
        return sorted(set(found))
