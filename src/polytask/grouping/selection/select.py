"""Which networks to train for a budget, from the matrix of affinities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import ldexp
from sys import float_info
from typing import Any

import numpy as np

from ...errors import UserError
from ..affinity_matrix import Affinity
from .checks import Constraints, Cost, Problem, checked
from .describe import describe
from .preferred import Exact
from .result import TOLERANCE, Selection
from .search import networks_of, search_with_bound

MOST_EXACT = 20  # 3^20 / 2 divisions take seconds and 0.5 GB; each task more takes three times that
MOST_TASKS = 60  # where some are to be together: sets of tasks are bit masks
MOST_FREE = 2000  # sets of tasks without two that must be apart
MOST_PASSES = 6  # over all divisions of this many tasks


def select_networks(
    affinity: Affinity,
    networks: int | None = None,
    *,
    budget: float | None = None,
    cost: Cost | None = None,
    single_score: float | Mapping[str, float] | None = None,
    max_size: int | None = None,
    together: Sequence[Sequence[str]] = (),
    apart: Sequence[Sequence[str]] = (),
    seconds: float | None = None,
    rounds: int | None = None,
    seed: int = 0,
) -> Selection:
    """The best choice of at most ``networks`` networks: proven for up to 20 tasks, searched for more.

    A network of several tasks gives each of them the mean affinity of its other tasks onto it. A task may be in several
    networks and is served by the one with its highest score. The mean over the tasks is maximised. Ties (relative 1e-9
    of the size of scores, so that the unit does not matter): fewer networks, then fewer tasks in them, then task order;
    with a ``cost`` the cheaper choice first.

    Args:
        affinity: matrix of K > 1 tasks.
        networks: largest number of networks; more than are of use are not chosen. None: as many as ``budget`` allows.
        budget: largest total cost of the networks, instead of their number or beside it.
        cost: cost of a network by its number of tasks, a function or a table; sizes that a table leaves out, and all
            without it, cost 1. ``{1: 0.5}``: networks of one task are half as large.
        single_score: score of a task in a separate network, in the unit of the affinity; one for all, or one each.
            None: such a network is chosen only for a task that no other may join, with score 0.
        max_size: largest number of tasks in a network. None: any.
        together: groups of tasks that one network is to serve.
        apart: groups of tasks of which no two may be in one network.
        seconds: longest time for the search where K > 20; None: no limit. If it ends the search, ``complete`` is false,
            and another machine may find other networks.
        rounds: perturbations of that search; None: 200, fewer for more than about a hundred tasks. It ends earlier if
            it meets its bound.
        seed: seed of the perturbations.

    Returns:
        the networks, which network serves which task, and the score. For K <= 20 ``optimal`` is true and ``bound``
        equals ``score``;
        beyond, or with very many different costs, ``bound`` is a proven upper bound, ``optimal`` tells whether the
        score meets it, and ties are broken only by the number of tasks in each network.

    Raises:
        UserError: one task, no networks, a score that is not a finite number, no time, constraints that contradict each
            other or cannot be met.

    Source: C. Fifty et al., NeurIPS 2021, arXiv:2109.04617, section 3.2; costs as in T. Standley et al., ICML 2020,
    arXiv:1905.07553.

    Example:
        >>> affinity = Affinity(("a", "b", "c"), [[0, 2, 0], [3, 0, 1], [0, 0, 0]])
        >>> select_networks(affinity, 2).networks  # a and b help each other, b helps c
        (('a', 'b'), ('b', 'c'))
        >>> select_networks(affinity, 1).score  # (3/2 + 2/2 + 1/2) / 3
        1.0
        >>> select_networks(affinity, 2, apart=[("b", "c")]).networks
        (('a', 'b'), ('a', 'c'))
        >>> select_networks(affinity, budget=1.5, cost={1: 0.5}, single_score=0).networks
        (('a', 'b'), ('c',))
    """
    constraints = Constraints(single_score, max_size, together, apart, cost)
    problem = checked(affinity, constraints, networks, budget, seconds)
    _check_rounds(rounds)
    return next(_curve(problem, [(_most(networks, problem), budget)], seconds, rounds, seed))


def score_curve(
    affinity: Affinity,
    max_networks: int,
    *,
    cost: Cost | None = None,
    single_score: float | Mapping[str, float] | None = None,
    max_size: int | None = None,
    together: Sequence[Sequence[str]] = (),
    apart: Sequence[Sequence[str]] = (),
    seconds: float | None = None,
    rounds: int | None = None,
) -> list[Selection]:
    """The choices for the budgets 1, 2, ..., ``max_networks``, for little more than the last alone.

    Args and errors: as for :func:`select_networks`; ``seconds`` is for all budgets together, ``rounds`` for each. With
    a ``cost`` the budgets are total costs. Budgets with which the constraints cannot be met are left out.

    Example:
        >>> affinity = Affinity(("a", "b", "c"), [[0, 2, 0], [3, 0, 1], [0, 0, 0]])
        >>> [selection.score for selection in score_curve(affinity, 3)]
        [1.0, 2.0, 2.0]
    """
    constraints = Constraints(single_score, max_size, together, apart, cost)
    problem = checked(
        affinity, constraints, max_networks, None if cost is None else max_networks, seconds, "max_networks"
    )
    _check_rounds(rounds)
    budgets = [
        (number, None) if cost is None else (len(problem.tasks), float(number)) for number in range(1, max_networks + 1)
    ]
    return list(_curve(problem, budgets, None if seconds is None else seconds / max_networks, rounds))


def choose_budget(curve: Sequence[Selection], share: float = 0.9) -> int:
    """The knee of a score curve: the smallest budget with ``share`` of the gain of the largest over the first.

    Args:
        curve: selections for ascending budgets, see :func:`score_curve`.
        share: of the gain, between 0 and 1.

    Returns:
        the place in the curve, from 1 (the budget, unless the first ones cannot be met); 1 if more networks gain
        nothing (up to ties, relative 1e-9).

    Raises:
        UserError: an empty curve, or a share outside 0 to 1.

    Example:
        >>> affinity = Affinity(("a", "b", "c"), [[0, 2, 0], [3, 0, 1], [0, 0, 0]])
        >>> choose_budget(score_curve(affinity, 3))
        2
    """
    if not curve:
        raise UserError("curve: expected the selections for the budgets 1, 2, ..., found none; use score_curve")
    if not 0 <= share <= 1:
        raise UserError(f"share: expected a number from 0 to 1, found {share}")
    scores = [selection.score for selection in curve]
    gain = scores[-1] - scores[0]
    size = max(sum(map(abs, selection.scores.values())) / len(selection.scores) for selection in curve)
    tolerance = TOLERANCE * max(size, abs(scores[-1]))
    if gain <= tolerance:
        return 1
    return next(k for k, score in enumerate(scores, 1) if score - scores[0] >= share * gain - tolerance)


Budget = tuple[int, float | None]  # number of networks, total cost


def _most(networks: int | None, problem: Problem) -> int:
    return len(problem.tasks) if networks is None else networks


def _check_rounds(rounds: Any) -> None:
    if rounds is not None and not (isinstance(rounds, int) and rounds >= 0):
        raise UserError(f"rounds: expected a whole number of at least 0, found {rounds!r}")


def _curve(
    problem: Problem, budgets: Sequence[Budget], seconds: float | None, rounds: int | None, seed: int = 0
) -> Iterator[Selection]:
    """Selections for ascending budgets, none worse than the one before; those that cannot be met are left out.

    Raises:
        UserError: none can be met.
    """
    served, met = problem.served, False
    exact = Exact(problem) if _proves(problem, budgets[-1]) else None
    owner = None
    for most, total in budgets:
        if exact is not None:
            networks, bound, complete = exact.networks(most, total), None, True
        else:
            found = search_with_bound(problem, most, total, seconds, owner, rounds, seed)
            division, bound, complete = found.division, found.bound / served.count, found.complete
            networks = None if division is None else networks_of(division)
            owner = None if division is None or total is not None else division.owner
        if networks is not None:
            met = True
            yield _scaled(describe(problem.tasks, served, networks, bound), problem.exponent, complete)
    if not met:
        raise UserError(_not_met(budgets[-1], exact is not None))


def _scaled(selection: Selection, exponent: int, complete: bool) -> Selection:
    """The selection in the unit of the given affinities."""
    return replace(
        selection,
        score=ldexp(selection.score, exponent),
        bound=min(float(np.ldexp(selection.bound, exponent)), float_info.max),
        scores={task: ldexp(score, exponent) for task, score in selection.scores.items()},
        complete=complete,
    )


def _proves(problem: Problem, budget: Budget) -> bool:
    """Whether the best choice can be proven in seconds."""
    served, units = problem.served, len(problem.served.units)
    if units > MOST_EXACT or served.count > MOST_TASKS:
        return False
    if served.apart is not None and len(served.free) > MOST_FREE:
        return False
    if len(problem.prices.costs) == 1 or budget[1] is None:
        return True
    ways = sum(1 for _ in problem.prices.counts(budget[1], min(budget[0], units), served.count))
    return ways * 3.0**units <= MOST_PASSES * 3.0**MOST_EXACT


def _not_met(budget: Budget, proven: bool) -> str:
    most, total = budget
    given = f"networks: {most} networks" if total is None else f"budget: networks that cost at most {total:g} together"
    said = "cannot" if proven else "were not found that can"
    return (
        f"{given} {said} serve all tasks as max_size, together and apart demand; allow more networks, or drop one of "
        "these constraints"
    )
