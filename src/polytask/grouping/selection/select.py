"""Which networks to train for a budget, from the matrix of affinities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from polytask.errors import UserError
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection.checks import checked
from polytask.grouping.selection.describe import describe
from polytask.grouping.selection.exact import Exact
from polytask.grouping.selection.result import TOLERANCE, Selection
from polytask.grouping.selection.search import networks_of, search_with_bound
from polytask.grouping.selection.served import Served

MOST_EXACT = 20  # 3^20 / 2 divisions take seconds and 0.5 GB; each task more takes three times that


def select_networks(
    affinity: Affinity,
    networks: int,
    *,
    single_score: float | None = None,
    max_size: int | None = None,
    seconds: float = 10.0,
) -> Selection:
    """The best choice of at most ``networks`` networks: proven for up to 20 tasks, searched for more.

    A network of several tasks gives each of them the mean affinity of its other tasks onto it. A task may be in several
    networks and is served by the one with its highest score. The mean over the tasks is maximised. Ties (relative
    1e-9): fewer networks, then fewer tasks in them, then task order.

    Args:
        affinity: matrix of K tasks.
        networks: largest number of networks, at least 1; more than are of use are not chosen.
        single_score: score of a task in a network of its own, in the unit of the affinity. None: such a network is
            chosen only for K = 1, with score 0.
        max_size: largest number of tasks in a network. None: any.
        seconds: time for the search where K > 20. It ends earlier if it meets its bound. Its kicks are always the same,
            but how many there is time for depends on the machine, and so may the result.

    Returns:
        the networks, who serves whom, and the score. For K <= 20 ``optimal`` is true and ``bound`` equals ``score``;
        beyond, ``bound`` is a proven upper bound, ``optimal`` tells whether the score meets it, and of the rule for
        ties only the number of tasks in each network is heeded.

    Raises:
        UserError: a budget below 1, a score that is not a finite number, no time, a ``max_size`` with which so few
            networks cannot serve all tasks.

    Source: C. Fifty et al., NeurIPS 2021, arXiv:2109.04617, section 3.2.

    Example:
        >>> affinity = Affinity(("a", "b", "c"), [[0, 2, 0], [3, 0, 1], [0, 0, 0]])
        >>> select_networks(affinity, 2).networks  # a and b help each other, b helps c
        (('a', 'b'), ('b', 'c'))
        >>> select_networks(affinity, 1).score  # (3/2 + 2/2 + 1/2) / 3
        1.0
    """
    served = checked(affinity, "networks", networks, single_score, max_size, seconds)
    return next(_curve(affinity.tasks, served, [networks], seconds))


def score_curve(
    affinity: Affinity, max_networks: int, *, single_score: float | None = None, seconds: float = 10.0
) -> list[Selection]:
    """The choices for the budgets 1, 2, ..., ``max_networks``, for little more than the last alone.

    Args and errors: as for :func:`select_networks`; ``seconds`` is for all budgets together.

    Example:
        >>> affinity = Affinity(("a", "b", "c"), [[0, 2, 0], [3, 0, 1], [0, 0, 0]])
        >>> [selection.score for selection in score_curve(affinity, 3)]
        [1.0, 2.0, 2.0]
    """
    served = checked(affinity, "max_networks", max_networks, single_score, None, seconds)
    return list(_curve(affinity.tasks, served, range(1, max_networks + 1), seconds / max_networks))


def choose_budget(curve: Sequence[Selection], share: float = 0.9) -> int:
    """The knee of a score curve: the smallest budget with ``share`` of the gain of the largest over one network.

    Args:
        curve: selections for the budgets 1, 2, ...
        share: of the gain, between 0 and 1.

    Returns:
        the budget; 1 if more networks gain nothing (up to ties, relative 1e-9).

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
    tolerance = TOLERANCE * max(1.0, abs(scores[-1]))
    if gain <= tolerance:
        return 1
    return next(k for k, score in enumerate(scores, 1) if score - scores[0] >= share * gain - tolerance)


def _curve(tasks: tuple[str, ...], served: Served, budgets: Iterable[int], seconds: float) -> Iterator[Selection]:
    """Selections for ascending budgets, none worse than the one before."""
    if served.count <= MOST_EXACT:
        exact = Exact(served)
        for budget in budgets:
            yield describe(tasks, served, exact.networks(min(budget, served.count)))
        return
    owner = None
    for budget in budgets:
        owner, bound = search_with_bound(served, min(budget, served.count), seconds, owner)
        networks = networks_of(served, owner)
        yield describe(tasks, served, networks, bound / served.count)
