"""The preferred one of all optimal choices: the fewest tasks in the networks, then the first in task order.

The number of networks is already the smallest possible. All optimal divisions of the tasks into served sets are walked
through, by halves, without repeating a set; the size of the best network of each served set then decides, and last the
task order, network by network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import comb

import numpy as np

from .describe import Group
from .maxplus import subsets
from .served import Served

State = tuple[int, int]  # a set of tasks, and the number of networks that serve it


def tasks_of(mask: int) -> Group:
    """The tasks of a set, ascending; the order of these tuples is the task order of networks.

    Example:
        >>> tasks_of(0b1101)
        (0, 2, 3)
    """
    return tuple(task for task in range(mask.bit_length()) if mask >> task & 1)


def first_of_optimal(
    served: Served, best: Callable[[int], np.ndarray], budget: int, slack: float, sizes: np.ndarray | None = None
) -> list[Group]:
    """The preferred optimal networks, in task order.

    Args:
        served: the values of networks.
        best: ``best(k)[S]`` is the largest worth of the set S with at most k networks, for k up to half the budget,
            rounded up.
        budget: number of networks; no smaller number is as good.
        slack: worths closer than this count as equal in one decision.
        sizes: see :class:`~polytask.grouping.selection.served.Served`.
    """
    walk = _Walk(served, best, budget - budget // 2, slack, sizes)
    chosen = []
    frontier = {(1 << len(served.units)) - 1}
    for remaining in range(budget, 0, -1):
        # sets still to be served, all after the same networks and with the same number of tasks to come
        rests: dict[int, set[int]] = {}
        for state in frontier:
            for part in walk.smallest_parts((state, remaining)):
                rests.setdefault(walk.network[part], set()).add(state ^ part)
        first = min(rests, key=tasks_of)
        chosen.append(tasks_of(first))
        frontier = rests[first]
    return chosen


class _Walk:
    """All optimal divisions of sets into served sets."""

    def __init__(
        self,
        served: Served,
        best: Callable[[int], np.ndarray],
        largest: int,
        slack: float,
        sizes: np.ndarray | None = None,
    ) -> None:
        self.sizes = sizes
        self.served, self.best, self.largest, self.slack = served, best, largest, slack
        self.halves: dict[State, list[tuple[State, State]]] = {}
        self.fewest: dict[State, int] = {}  # number of tasks in the networks
        self.parts: dict[State, frozenset[int]] = {}
        self.size: dict[int, int] = {}
        self.network: dict[int, int] = {}

    def smallest_parts(self, state: State) -> frozenset[int]:
        """All served sets in the optimal divisions of ``state`` that have the fewest tasks in their networks."""
        self._measure(self._served_sets(state))
        return self._smallest_parts(state)

    def _served_sets(self, state: State) -> Iterable[int]:
        """The served sets of all optimal divisions below ``state``; fills ``halves``."""
        found: set[int] = set()
        todo, seen = [state], {state}
        while todo:
            here = todo.pop()
            if here[1] == 1:
                found.add(here[0])
                continue
            new = {half for pair in self._optimal_halves(here) for half in pair} - seen
            seen |= new
            todo += new
        return found

    def _optimal_halves(self, state: State) -> list[tuple[State, State]]:
        if state not in self.halves:
            mask, count = state
            # one network apart where what is left is in the tables: fewer ways to come to the same division
            left = 1 if count - 1 <= self.largest else count - count // 2
            lowest = mask & -mask
            firsts = subsets(mask ^ lowest) | lowest
            worths = self.best(left)[firsts] + self.best(count - left)[mask ^ firsts]
            optimal = firsts[worths >= worths.max() - self.slack].tolist()
            if len(optimal) == comb(count - 1, left - 1):
                del optimal[1:]  # all are regroupings of a single division
            self.halves[state] = [((first, left), (mask ^ first, count - left)) for first in optimal]
        return self.halves[state]

    def _measure(self, parts: Iterable[int]) -> None:
        masks = np.array([part for part in parts if part not in self.size], np.int64)
        networks = self.served.networks(self.served.members(masks), self.slack, self.sizes)
        self.size.update(zip(masks.tolist(), networks.sum(axis=1).tolist(), strict=True))
        self.network.update(zip(masks.tolist(), (networks @ (1 << np.arange(self.served.count))).tolist(), strict=True))

    def _fewest_tasks(self, state: State) -> int:
        if state not in self.fewest:
            mask, count = state
            self.fewest[state] = (
                self.size[mask]
                if count == 1
                else min(self._fewest_tasks(a) + self._fewest_tasks(b) for a, b in self._optimal_halves(state))
            )
        return self.fewest[state]

    def _smallest_parts(self, state: State) -> frozenset[int]:
        if state not in self.parts:
            mask, count = state
            fewest = self._fewest_tasks(state)
            self.parts[state] = (
                frozenset([mask])
                if count == 1
                else frozenset().union(
                    *(
                        self._smallest_parts(a) | self._smallest_parts(b)
                        for a, b in self._optimal_halves(state)
                        if self._fewest_tasks(a) + self._fewest_tasks(b) == fewest
                    )
                )
            )
        return self.parts[state]
