"""A division of the tasks into served sets, and the moves that improve it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .clock import Clock
from .served import Served

IMPROVEMENT = 1e-10  # relative to the size of scores: less is rounding
CANDIDATES = 10  # served sets that a move looks at closely
MOST_PASSES = 30  # over all tasks without a kick


class Division:
    """Tasks divided into served sets; changed in place.

    Args:
        served: the values of networks.
        owner: shape [n], the served set of each task (or block of tasks), 0 to the number of sets - 1.
        sizes: shape [sets, K + 1], bool: the sizes that the network of each set may have.
    """

    def __init__(self, served: Served, owner: np.ndarray, sizes: np.ndarray) -> None:
        self.served, self.sizes = served, sizes
        self.owner = owner.copy()
        self.columns = served.columns
        self.members = (owner[served.block_of] == np.arange(len(sizes))[:, None]).astype(np.int64)
        self.sums = self.members @ served.gains
        self.received = self.members @ served.gains.T
        self.inside = np.einsum("nk,nk->n", self.members, self.sums)
        self.count = self.members.sum(axis=1)
        self.worths = served.worth(self.members, self.sums, sizes)
        self.least = IMPROVEMENT * served.unit

    @property
    def total(self) -> float:
        """Sum of the scores of all tasks."""
        return float(self.worths.sum())

    def move(self, task: int) -> int | None:
        """Give the task (or block) to the set where it raises the total most; the set it was in, None if it stays."""
        sets = self._candidates(task)
        here = int(np.flatnonzero(sets == self.owner[task])[0])
        members, sign = self.members[sets], np.ones(len(sets), np.int64)
        members[:, self.columns[task]] = 1
        members[here, self.columns[task]], sign[here] = 0, -1
        sums = self.sums[sets] + sign[:, None] * self.served.unit_gains[task]
        worths = self.served.worth(members, sums, self.sizes[sets])
        change = worths - self.worths[sets]
        change += change[here]
        change[here] = 0.0
        if change.max() <= self.least:
            return None
        there = int((change >= change.max() - self.least).argmax())  # of equal ones the first, in any unit
        changed = sets[[here, there]]
        self.owner[task] = changed[1]
        self.members[changed] = members[[here, there]]
        self.worths[changed] = worths[[here, there]]
        # again, and not by the difference, or roundings would gather
        self.sums[changed] = self.members[changed] @ self.served.gains
        self.received[changed] = self.members[changed] @ self.served.gains.T
        self.inside[changed] = np.einsum("nk,nk->n", self.members[changed], self.sums[changed])
        self.count[changed] = self.members[changed].sum(axis=1)
        return int(changed[0])

    def _candidates(self, task: int) -> np.ndarray:
        """The task's own set, an empty one, and those that would gain most by it without helpers; ascending."""
        if len(self.worths) <= CANDIDATES:
            return np.arange(len(self.worths))
        columns = self.columns[task]
        joint = self.inside + self.sums[:, columns].sum(axis=1) + self.received[:, columns].sum(axis=1)
        gain = joint / np.maximum(self.count + len(columns) - 1, 1) - self.worths
        empty = np.flatnonzero(self.count == 0)
        gain[empty] = -np.inf
        best = np.argsort(-gain, kind="stable")[: CANDIDATES - 2]
        return np.unique([self.owner[task], *empty[:1], *best])

    def improve(self, rng: np.random.Generator, clock: Clock, tasks: Iterable[int] | None = None) -> None:
        """Move tasks, in random order, until no move helps or the time is over.

        Args:
            rng: of the order.
            clock: the time.
            tasks: those to begin with; what changed around a moved task follows. None: all.
        """
        todo = np.arange(len(self.owner)) if tasks is None else np.unique(list(tasks))
        for _ in range(MOST_PASSES):
            changed: set[int] = set()
            for task in rng.permutation(todo).tolist():
                if clock.over():
                    return
                before = self.move(task)
                if before is not None:
                    changed |= {before, int(self.owner[task])}
            if not changed:
                return
            every = len(self.worths) <= CANDIDATES
            todo = np.arange(len(self.owner)) if every else np.flatnonzero(np.isin(self.owner, list(changed)))
