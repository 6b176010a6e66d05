"""Good networks for many tasks, better the longer it may take: iterated local search over divisions of the tasks.

A state divides the tasks into at most b served sets, each with its best helpers. Moving one task changes the sums c(d)
(:mod:`~polytask.grouping.selection.served`) of two sets only, so all moves of a task are judged together. A state that
no move improves is kicked (some tasks are dealt anew) and improved again; the better one stays.
"""

from __future__ import annotations

import time
from itertools import accumulate

import numpy as np

from .bound import upper_bound
from .budget import Counts
from .checks import Problem
from .describe import Group
from .served import Served

IMPROVEMENT = 1e-10  # relative to the largest affinity: less is rounding
MOST_TRIED = 32  # ways to spend a total cost


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
        self.members = (owner == np.arange(len(sizes))[:, None]).astype(np.int64) @ served.units
        self.columns = [np.flatnonzero(unit) for unit in served.units]
        self.unit_gains = served.units @ served.gains
        self.sums = self.members @ served.gains
        self.worths = served.worth(self.members, self.sums, sizes)
        self.least = IMPROVEMENT * max(1e-300, float(np.abs(served.gains).max()))

    @property
    def total(self) -> float:
        """Sum of the scores of all tasks."""
        return float(self.worths.sum())

    def move(self, task: int) -> bool:
        """Give the task (or block) to the set where it raises the total most; whether that is another one."""
        here = int(self.owner[task])
        sign = np.ones(len(self.worths), np.int64)
        sign[here] = -1
        members = self.members.copy()
        members[:, self.columns[task]] = 1
        members[here, self.columns[task]] = 0
        sums = self.sums + sign[:, None] * self.unit_gains[task]
        worths = self.served.worth(members, sums, self.sizes)
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
    problem: Problem, most: int, total: float | None, seconds: float, start: np.ndarray | None = None, seed: int = 0
) -> tuple[Division | None, float]:
    """A good division of the tasks, and an upper bound of the sum of scores of any.

    Args:
        problem: what networks are to be like.
        most: largest number of networks.
        total: largest cost of all networks; None: any.
        seconds: time to use.
        start: a known division of the tasks.
        seed: of the kicks.

    Returns:
        the division, None if none was found that meets the wishes, and the bound.
    """
    served, prices = problem.served, problem.prices
    most = min(most, len(served.units))
    if total is None or len(prices.costs) == 1:
        number = most if total is None else min(most, int(total * (1 + 1e-9) // prices.costs[0]))
        sizes = [np.repeat(prices.sizes[-1:], number, axis=0)] if number else []
    else:
        sizes = [_sizes(counts, prices.sizes) for counts in _largest(list(prices.counts(total, most, served.count)))]
    if not sizes:
        return None, np.inf
    first = [search(served, one, 0.4 * seconds / len(sizes), np.inf, start, seed) for one in sizes]
    best = max(first, key=lambda division: division.total)
    bound = upper_bound(served, most, best.total, 0.1 * seconds)
    if total is not None:
        bound = min(bound, upper_bound(served, total, best.total, 0.1 * seconds, problem.by_size))
    best = search(served, best.sizes, 0.5 * seconds, bound, best.owner, seed + 1)
    return (best, bound) if best.total > -served.penalty / 2 else (None, bound)


def _sizes(counts: Counts, sizes: np.ndarray) -> np.ndarray:
    """One row of allowed sizes for each network."""
    return np.repeat(sizes, counts, axis=0)


def _largest(choices: list[Counts]) -> list[Counts]:
    """The counts that are in no other one; of very many an even sample."""
    kept = [one for one in choices if not any(_within(one, other) for other in choices if other != one)]
    return [kept[place] for place in np.unique(np.linspace(0, len(kept) - 1, MOST_TRIED).astype(int))] if kept else []


def _within(one: Counts, other: Counts) -> bool:
    """Whether the other networks could stand for these: a dearer one may also have the smaller size."""
    return all(a <= b for a, b in zip(accumulate(reversed(one)), accumulate(reversed(other)), strict=True))


def search(
    served: Served,
    sizes: np.ndarray,
    seconds: float,
    enough: float,
    start: np.ndarray | None = None,
    seed: int = 0,
) -> Division:
    """The best division found.

    Args:
        served: the values of networks.
        sizes: shape [sets, K + 1], bool: the sizes that the network of each set may have.
        seconds: time to use.
        enough: stop as soon as the sum of scores reaches this (a proven bound).
        start: a known division of the tasks; the result is no worse.
        seed: of the kicks; they are the same in every run, only the clock differs.
    """
    rng = np.random.default_rng(seed)
    until = time.monotonic() + seconds
    budget = len(sizes)
    owner = rng.permutation(len(served.units)) % budget if start is None else start
    best = Division(served, owner, sizes)
    best.improve(rng, until)
    while budget > 1 and best.total < enough and time.monotonic() < until:
        trial = Division(served, kicked(best.owner, budget, rng), sizes)
        trial.improve(rng, until)
        if trial.total > best.total:
            best = trial
    return best


def networks_of(division: Division) -> list[Group]:
    """The best network of each served set of a division; equal ones once."""
    served = division.served
    slack = 1e-12 * max(1.0, float(np.abs(served.gains).max()))
    used = np.flatnonzero(division.members.any(axis=1))
    networks = [served.networks(division.members[[row]], slack, division.sizes[[row]])[0] for row in used]
    return sorted({tuple(np.flatnonzero(network).tolist()) for network in networks})


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
