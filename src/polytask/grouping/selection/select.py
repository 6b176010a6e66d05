"""Which networks to train for a budget, from the matrix of affinities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polytask.errors import UserError
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection.exact import TOLERANCE, Exact
from polytask.grouping.selection.result import Selection
from polytask.grouping.selection.served import Served
from polytask.grouping.selection.ties import tasks_of

MOST_TASKS = 20  # 3^20 / 2 divisions take seconds and 0.5 GB; each task more takes three times that
LARGEST = 1e100  # sums of larger affinities could overflow


def select_networks(affinity: Affinity, networks: int, *, single_score: float | None = None) -> Selection:
    """The best choice of at most ``networks`` networks, proven.

    A network of several tasks gives each of them the mean affinity of its other tasks onto it. A task may be in several
    networks and is served by the one with its highest score. The mean over the tasks is maximised. Ties (relative
    1e-9): fewer networks, then fewer tasks in them, then task order.

    Args:
        affinity: matrix of K <= 20 tasks.
        networks: largest number of networks, at least 1; more than are of use are not chosen.
        single_score: score of a task in a network of its own, in the unit of the affinity. None: such a network is
            chosen only for K = 1, with score 0.

    Returns:
        the networks, who serves whom, and the score; ``optimal`` is true and ``bound`` equals ``score``.

    Raises:
        UserError: a budget below 1, a score that is not a finite number, more than 20 tasks.

    Source: C. Fifty et al., NeurIPS 2021, arXiv:2109.04617, section 3.2.

    Example:
        >>> affinity = Affinity(("a", "b", "c"), [[0, 2, 0], [3, 0, 1], [0, 0, 0]])
        >>> select_networks(affinity, 2).networks  # a and b help each other, b helps c
        (('a', 'b'), ('b', 'c'))
        >>> select_networks(affinity, 1).score  # (3/2 + 2/2 + 1/2) / 3
        1.0
    """
    served = _checked(affinity, {"networks": networks}, single_score)
    return _choose(affinity, Exact(served), networks)


def score_curve(affinity: Affinity, max_networks: int, *, single_score: float | None = None) -> list[Selection]:
    """The best choices for the budgets 1, 2, ..., ``max_networks``, for little more than the last alone.

    Args and errors: as for :func:`select_networks`.

    Example:
        >>> affinity = Affinity(("a", "b", "c"), [[0, 2, 0], [3, 0, 1], [0, 0, 0]])
        >>> [selection.score for selection in score_curve(affinity, 3)]
        [1.0, 2.0, 2.0]
    """
    exact = Exact(_checked(affinity, {"max_networks": max_networks}, single_score))
    return [_choose(affinity, exact, budget) for budget in range(1, max_networks + 1)]


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


def _checked(affinity: Affinity, budget: dict[str, Any], single_score: float | None) -> Served:
    problems = [
        f"{name}: expected a whole number of networks, at least 1, found {number!r}"
        for name, number in budget.items()
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1
    ]
    if single_score is not None and not (isinstance(single_score, (int, float)) and abs(single_score) <= LARGEST):
        problems.append(f"single_score: expected a finite number, the score of a task alone, found {single_score!r}")
    if len(affinity.tasks) > MOST_TASKS:
        problems.append(
            f"affinity: the exact choice takes at most {MOST_TASKS} tasks, found {len(affinity.tasks)}; its time grows "
            "threefold with each: measure groups of tasks apart, or leave out tasks that nothing helps"
        )
    gains = affinity.gains
    if np.abs(gains).max() > LARGEST:
        problems.append(f"affinity: expected numbers up to {LARGEST:g}, found {np.abs(gains).max():g}; rescale them")
    if problems:
        raise UserError(*problems)
    return Served(gains, single_score)


def _choose(affinity: Affinity, exact: Exact, budget: int) -> Selection:
    groups = [tasks_of(mask) for mask in exact.networks(min(budget, len(affinity.tasks)))]
    return describe(affinity, exact.served, groups)


def describe(affinity: Affinity, served: Served, groups: Sequence[tuple[int, ...]]) -> Selection:
    """The selection of the given optimal networks: who serves whom, with which score."""
    table = np.stack([_scores(served, group) for group in groups])  # [networks, K], -inf where a task is absent
    best = table.max(axis=0)
    # equal scores up to rounding: the first network, so that the answer does not hang on the last digit
    serving = (table >= best - 1e-12 * np.maximum(1.0, np.abs(best))).argmax(axis=0)
    used = sorted(set(serving.tolist()))
    names = affinity.tasks
    score = float(best.mean())
    return Selection(
        networks=tuple(tuple(names[task] for task in groups[network]) for network in used),
        serves={name: used.index(network) for name, network in zip(names, serving.tolist(), strict=True)},
        score=score,
        bound=score,
        optimal=True,
        scores=dict(zip(names, best.tolist(), strict=True)),
    )


def _scores(served: Served, group: tuple[int, ...]) -> np.ndarray:
    scores = np.full(served.count, -np.inf)
    members = list(group)
    scores[members] = (
        served.alone if len(group) == 1 else served.gains[np.ix_(members, members)].sum(axis=1) / (len(group) - 1)
    )
    return scores
