"""Good networks for many tasks, better the longer it may take: iterated local search over divisions of the tasks.

A state divides the tasks into at most b served sets, each with its best helpers. The search begins with clusterings of
the affinity (:mod:`~polytask.grouping.selection.clusters`) and a random division. Moving one task changes the sums c(d)
(:mod:`~polytask.grouping.selection.served`) of two sets only, so all moves of a task are judged together. A state that
no move improves is kicked (some tasks are dealt again) and improved again; the better one stays. The number of kicks
follows from the numbers of tasks and networks, so that the result does not depend on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from .bound import upper_bound
from .budget import Counts
from .checks import Problem
from .clock import Clock
from .clusters import clusterings
from .describe import Group
from .division import CANDIDATES, Division
from .served import Served

MOST_TRIED = 32  # ways to spend a total cost
WORK = 1e8  # numbers that all rounds together look at, roughly: some seconds
MOVE = 1500  # numbers that could be looked at in the time that a move takes without any
MOST_ROUNDS, LEAST_ROUNDS = 200, 10
IMPROVED_STARTS = 3
MANY = 200  # tasks beyond which only the best two starts are improved


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        division: None if none was found that meets the constraints.
        bound: no choice has a larger sum of scores.
        complete: whether no time limit ended it.
    """

    division: Division | None
    bound: float = np.inf
    complete: bool = True


def search_with_bound(
    problem: Problem,
    most: int,
    total: float | None,
    seconds: float | None = None,
    start: np.ndarray | None = None,
    rounds: int | None = None,
    seed: int = 0,
    bounded: bool = True,
) -> Found:
    """A good division of the tasks, and an upper bound of the sum of scores of any.

    Args:
        problem: what networks are to be like.
        most: largest number of networks.
        total: largest cost of all networks; None: any.
        seconds: time to use at most; None: any.
        start: a known division of the tasks; the result is no worse.
        rounds: number of kicks; None: see :func:`usual_rounds`.
        seed: seed of the kicks.
        bounded: whether a bound is computed.
    """
    served, prices = problem.served, problem.prices
    most = min(most, len(served.units))
    if total is None or len(prices.costs) == 1:
        number = most if total is None else min(most, int(total * (1 + 1e-9) // prices.costs[0]))
        sizes = [np.repeat(prices.sizes[-1:], number, axis=0)] if number else []
    else:
        sizes = [_sizes(counts, prices.sizes) for counts in _largest(list(prices.counts(total, most, served.count)))]
    if not sizes:
        return Found(None)
    rounds = usual_rounds(served, most) if rounds is None else rounds
    clock, ended, first = Clock(seconds), False, []
    for one in sizes:
        part = clock.part(0.4 / len(sizes))
        first.append(search(served, one, rounds // (2 * len(sizes)), part, np.inf, start, seed))
        ended |= part.ended
    best = max(first, key=lambda division: division.total)
    bounding, last = clock.part(0.1), clock.part(0.6)
    bound = upper_bound(served, most, best.total, bounding) if bounded else np.inf
    if total is not None and bounded:
        bound = min(bound, upper_bound(served, total, best.total, bounding, problem.by_size))
    best = kick(best, (rounds + 1) // 2, last, bound, seed + 1)
    met = best.total > -served.penalty / 2
    return Found(best if met else None, bound, not (ended or bounding.ended or last.ended))


def usual_rounds(served: Served, networks: int) -> int:
    """Kicks that are worth their time: fewer for more tasks and networks.

    Example:
        >>> usual_rounds(Served(np.zeros((30, 30))), 3), usual_rounds(Served(np.zeros((200, 200))), 10)
        (200, 47)
    """
    judged = len(served.units) * min(1.0, 12 / max(networks, 1))  # beyond some networks only those around a kick
    numbers = 3 * judged * (MOVE + min(networks, CANDIDATES) * served.count)
    return int(min(MOST_ROUNDS, max(LEAST_ROUNDS, WORK / numbers)))


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
    rounds: int,
    clock: Clock,
    enough: float = np.inf,
    start: np.ndarray | None = None,
    seed: int = 0,
) -> Division:
    """The best division found from clusterings, a random division and a known one.

    Args:
        served: the values of networks.
        sizes: shape [sets, K + 1], bool: the sizes that the network of each set may have.
        rounds: number of kicks.
        clock: time to use at most.
        enough: stop as soon as the sum of scores reaches this (a proven bound).
        start: a known division of the tasks; the result is no worse.
        seed: seed of the kicks and the random division.
    """
    rng = np.random.default_rng(seed)
    owners = [*clusterings(served, len(sizes)), rng.permutation(len(served.units)) % len(sizes)]
    divisions = sorted((Division(served, owner, sizes) for owner in owners), key=lambda one: -one.total)
    tried = divisions[: IMPROVED_STARTS if len(served.units) <= MANY else 2] + (
        [] if start is None else [Division(served, start, sizes)]
    )
    for division in tried:
        division.improve(rng, clock)
    return kick(max(tried, key=lambda one: one.total), rounds, clock, enough, seed)


def kick(best: Division, rounds: int, clock: Clock, enough: float = np.inf, seed: int = 0) -> Division:
    """The best of a division and those that follow from it by kicks."""
    rng = np.random.default_rng(seed)
    served, sizes = best.served, best.sizes
    for _ in range(rounds if len(sizes) > 1 else 0):
        if best.total >= enough or clock.over():
            break
        owner, dealt = kicked(best.owner, len(sizes), rng)
        trial = Division(served, owner, sizes)
        trial.improve(rng, clock, None if len(sizes) <= CANDIDATES else dealt)
        if trial.total > best.total + best.least:
            best = trial
    return best


def networks_of(division: Division) -> list[Group]:
    """The best network of each served set of a division; equal ones once."""
    served = division.served
    slack = 1e-12 * served.count * served.unit
    used = np.flatnonzero(division.members.any(axis=1))
    networks = [served.networks(division.members[[row]], slack, division.sizes[[row]])[0] for row in used]
    return sorted({tuple(np.flatnonzero(network).tolist()) for network in networks})


def kicked(owner: np.ndarray, budget: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A division with some tasks dealt again, and which.

    All of two sets between them, or a few of any, or two sets made one and a third dealt between two.
    """
    owner = owner.copy()
    way = rng.random()
    if way < 1 / 3 and budget > 2:
        one, other, third = rng.choice(budget, 3, replace=False)
        owner[owner == other] = one
        dealt = np.flatnonzero(owner == third)
        owner[dealt] = rng.choice([other, third], len(dealt))
        return owner, np.flatnonzero(np.isin(owner, [one, other, third]))
    if way < 2 / 3:
        pair = rng.choice(budget, 2, replace=False)
        dealt = np.flatnonzero(np.isin(owner, pair))
        owner[dealt] = rng.choice(pair, len(dealt))
        return owner, dealt
    dealt = rng.choice(len(owner), max(2, len(owner) // 20), replace=False)
    owner[dealt] = rng.integers(0, budget, len(dealt))
    return owner, dealt
