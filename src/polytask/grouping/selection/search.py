"""Good networks for many tasks, better the longer it may take: iterated local search over divisions of the tasks.

A state divides the tasks into at most b served sets, each with its best helpers. Moving one task changes the sums c(d)
(:mod:`~polytask.grouping.selection.served`) of two sets only, so all moves of a task are judged together. A state that
no move improves is kicked (some tasks are dealt anew) and improved again; the better one stays.
"""

from __future__ import annotations

import time

import numpy as np

from polytask.grouping.selection.bound import upper_bound
from polytask.grouping.selection.describe import Group
from polytask.grouping.selection.served import Served

IMPROVEMENT = 1e-10  # relative to the largest affinity: less is rounding


class Division:
    """Tasks divided into served sets; changed in place.

    Args:
        served: the values of networks.
        owner: shape [K], the served set of each task, 0 to ``budget`` - 1.
        budget: number of served sets; some may be empty.
    """

    def __init__(self, served: Served, owner: np.ndarray, budget: int) -> None:
        self.served = served
        self.owner = owner.copy()
        self.members = (owner == np.arange(budget)[:, None]).astype(np.int64)
        self.sums = self.members @ served.gains
        self.worths = served.worth(self.members, self.sums)
        self.least = IMPROVEMENT * max(1e-300, float(np.abs(served.gains).max()))

    @property
    def total(self) -> float:
        """Sum of the scores of all tasks."""
        return float(self.worths.sum())

    def move(self, task: int) -> bool:
        """Give the task to the set where it raises the total most; whether that is another one."""
        here = int(self.owner[task])
        sign = np.ones(len(self.worths), np.int64)
        sign[here] = -1
        members, sums = self.members.copy(), self.sums + sign[:, None] * self.served.gains[task]
        members[:, task] = 1
        members[here, task] = 0
        worths = self.served.worth(members, sums)
        change = worths - self.worths
        change += change[here]
        change[here] = 0.0
        there = int(change.argmax())
        if change[there] <= self.least:
            return False
        changed = [here, there]
        self.owner[task] = there
        self.members[changed], self.sums[changed], self.worths[changed] = (
            members[changed],
            sums[changed],
            worths[changed],
        )
        return True

    def improve(self, rng: np.random.Generator, until: float) -> None:
        """Move tasks, in random order, until no move helps or the clock shows ``until``."""
        still = 0
        while still < len(self.owner):
            for task in rng.permutation(len(self.owner)).tolist():
                still = 0 if self.move(task) else still + 1
                if still >= len(self.owner) or time.monotonic() > until:
                    break
            if time.monotonic() > until:
                break


def search_with_bound(
    served: Served, budget: int, seconds: float, start: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """A good division of the tasks and an upper bound of the sum of scores of any; arguments as for :func:`search`."""
    if budget == 1:  # nothing to divide
        only = np.zeros(served.count, np.int64)
        return only, Division(served, only, 1).total
    owner = search(served, budget, 0.2 * seconds, np.inf, start)
    bound = upper_bound(served, budget, Division(served, owner, budget).total, 0.2 * seconds)
    return search(served, budget, 0.6 * seconds, bound, owner), bound


def search(served: Served, budget: int, seconds: float, enough: float, start: np.ndarray | None = None) -> np.ndarray:
    """The best division found: shape [K], the served set of each task.

    Args:
        served: the values of networks.
        budget: largest number of served sets.
        seconds: time to use.
        enough: stop as soon as the sum of scores reaches this (a proven bound).
        start: a known division of the tasks; the result is no worse.
    """
    rng = np.random.default_rng(0)  # the same kicks in every run: only the clock differs
    until = time.monotonic() + seconds
    count = served.count
    best = Division(served, rng.permutation(count) % budget if start is None else start, budget)
    best.improve(rng, until)
    while best.total < enough and time.monotonic() < until:
        trial = Division(served, kicked(best.owner, budget, rng), budget)
        trial.improve(rng, until)
        if trial.total > best.total:
            best = trial
    return best.owner


def networks_of(served: Served, owner: np.ndarray) -> list[Group]:
    """The best network of each served set of a division; equal ones once."""
    sets = (owner == np.unique(owner)[:, None]).astype(np.int64)
    slack = 1e-12 * max(1.0, float(np.abs(served.gains).max()))
    return sorted({tuple(np.flatnonzero(row).tolist()) for row in served.networks(sets, slack)})


def kicked(owner: np.ndarray, budget: int, rng: np.random.Generator) -> np.ndarray:
    """A division with some tasks dealt anew: all of two sets, between them, or a few of any."""
    owner = owner.copy()
    if budget > 1 and rng.random() < 0.5:
        pair = rng.choice(budget, 2, replace=False)
        dealt = np.flatnonzero(np.isin(owner, pair))
        owner[dealt] = rng.choice(pair, len(dealt))
    else:
        dealt = rng.choice(len(owner), max(2, len(owner) // 20), replace=False)
        owner[dealt] = rng.integers(0, budget, len(dealt))
    return owner
