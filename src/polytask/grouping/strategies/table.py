"""The best networks of those that were trained and measured, for few tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ...errors import UserError, raise_all
from ..selection import Selection
from ..selection.budget import Prices
from ..selection.exact import Divisions
from ..selection.result import TOLERANCE

MOST_TASKS = 14


@dataclass(frozen=True)
class Measured:
    """A trained network.

    Attributes:
        scores: how good it is for each of its tasks; larger is better, such as a negative loss.
        cost: what it costs to use.
    """

    scores: Mapping[str, float]
    cost: float = 1.0


def select_from_table(
    tasks: Sequence[str], table: Sequence[Measured], networks: int | None = None, budget: float | None = None
) -> tuple[Selection, list[int]]:
    """The networks that serve all tasks best, of those in a table; proven.

    Args:
        tasks: names of the K tasks, at most 14.
        table: what was trained.
        networks: largest number of networks; None: any.
        budget: largest total cost; None: any.

    Returns:
        the choice, with the mean over the tasks as score, and the rows of its networks in the table. Ties: cheaper,
        then fewer networks, then the first in the table.

    Raises:
        UserError: too many tasks, unknown tasks, scores that are not finite, a budget that no choice meets.

    Source: T. Standley et al., ICML 2020, arXiv:1905.07553 ("optimal").

    Example:
        >>> table = [Measured({"a": -2.0}), Measured({"b": -2.0}), Measured({"a": -1.0, "b": -4.0})]
        >>> choice, places = select_from_table(("a", "b"), table, networks=2)
        >>> choice.networks, choice.score, places
        ((('a', 'b'), ('b',)), -1.5, [2, 1])
    """
    raise_all(_problems(tasks, table))
    count = len(tasks)
    prices = sorted({entry.cost for entry in table})
    values = np.full((len(prices), 1 << count), -np.inf)
    source = np.zeros((len(prices), 1 << count), np.int64)
    for place, entry in enumerate(table):
        for mask, worth in _worths(tasks, entry.scores):
            for price in range(prices.index(entry.cost), len(prices)):
                if worth > values[price, mask]:
                    values[price, mask], source[price, mask] = worth, place
    values[:, 0] = 0.0
    sizes = np.ones((len(prices), count + 1), bool)
    most = count if networks is None else min(networks, count)
    choices = Prices(tuple(prices), sizes).counts(float("inf") if budget is None else budget, most, count)
    divisions = Divisions(list(values))
    counts = divisions.cheapest(choices, lambda top: TOLERANCE * max(_size(tasks, table), abs(top)))
    if counts is None:
        raise UserError(
            f"budget: no choice of the {len(table)} networks in the table serves all tasks with networks={networks} "
            f"and budget={budget}; allow more, or train more networks"
        )
    places = [int(source[price, mask]) for mask, price in divisions.parts(counts)]
    selection, used = serving(tasks, [table[place] for place in places])
    return replace(selection, optimal=True), [places[k] for k in used]


def _problems(tasks: Sequence[str], table: Sequence[Measured]) -> list[str]:
    problems = []
    if len(tasks) > MOST_TASKS:
        problems.append(f"tasks: a table is searched for at most {MOST_TASKS} tasks, found {len(tasks)}")
    for place, entry in enumerate(table):
        unknown = [task for task in entry.scores if task not in tasks]
        if unknown or not entry.scores:
            problems.append(f"table: network {place} must have scores of known tasks, found {list(entry.scores)}")
        if not all(np.isfinite(score) for score in entry.scores.values()) or not 0 < entry.cost < np.inf:
            problems.append(f"table: network {place} must have finite scores and a cost above 0, found {entry}")
    return problems


def _size(tasks: Sequence[str], table: Sequence[Measured]) -> float:
    """The size of sums of scores that can be had; tolerances are relative to it."""
    return sum(abs(max(entry.scores.get(task, -np.inf) for entry in table)) for task in tasks)


def _worths(tasks: Sequence[str], scores: Mapping[str, float]) -> list[tuple[int, float]]:
    """Every set of the network's tasks as a bit mask, with the sum of its scores."""
    places = [(1 << place, scores[task]) for place, task in enumerate(tasks) if task in scores]
    chosen = [part for size in range(1, len(places) + 1) for part in combinations(places, size)]
    return [(sum(bit for bit, _ in part), sum(score for _, score in part)) for part in chosen]


def serving(tasks: Sequence[str], measured: Sequence[Measured]) -> tuple[Selection, list[int]]:
    """Trained networks, each task served by the one that is best for it; those that serve nobody are dropped.

    Returns:
        the selection, not known to be the best, and the positions in ``measured`` of its networks.

    Example:
        >>> serving(("a", "b"), [Measured({"a": 0.5, "b": 0.1}), Measured({"b": 0.4})])[0].serves
        {'a': 0, 'b': 1}
    """
    order = sorted(
        range(len(measured)), key=lambda k: [place for place, task in enumerate(tasks) if task in measured[k].scores]
    )
    best = {task: max(order, key=lambda k: measured[k].scores.get(task, -np.inf)) for task in tasks}
    used = [k for k in order if k in best.values()]
    scores = {task: float(measured[k].scores[task]) for task, k in best.items()}
    score = float(np.mean(list(scores.values())))
    networks = tuple(tuple(task for task in tasks if task in measured[k].scores) for k in used)
    return Selection(networks, {t: used.index(k) for t, k in best.items()}, score, score, False, scores), used
