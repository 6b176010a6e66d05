"""Which network serves which task, and with which score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .result import TOLERANCE, Selection
from .served import Served

Group = tuple[int, ...]  # the tasks of a network, ascending


def describe(tasks: tuple[str, ...], served: Served, groups: Sequence[Group], bound: float | None = None) -> Selection:
    """The selection of the given networks; those that serve nobody are dropped.

    Args:
        tasks: names of the K tasks.
        served: the values of networks.
        groups: the networks; together they hold every task.
        bound: proven upper bound of the score; None: the networks are proven to be the best.

    Example:
        >>> served = Served(np.array([[0, 3, 0], [2, 0, 0], [0, 1, 0.0]]))
        >>> selection = describe(("a", "b", "c"), served, [(0, 1), (1, 2), (0, 1, 2)], bound=2.5)
        >>> selection.networks, selection.serves, selection.optimal
        ((('a', 'b'), ('b', 'c')), {'a': 0, 'b': 0, 'c': 1}, False)
    """
    groups = sorted(groups)
    table = np.stack([_scores(served, group) for group in groups])  # [networks, K], -inf where a task is absent
    totals = _totals(table, served)
    best = totals.max(axis=0)
    # equal scores up to rounding: the first network, so that the answer does not hang on the last digit
    serving = (totals >= best - 1e-12 * np.maximum(served.unit, np.abs(best))).argmax(axis=0)
    best = np.take_along_axis(table, serving[None], axis=0)[0]
    used = sorted(set(serving.tolist()))
    score = float(best.mean())
    bound = score if bound is None else max(score, bound)
    return Selection(
        networks=tuple(tuple(tasks[task] for task in groups[network]) for network in used),
        serves={name: used.index(network) for name, network in zip(tasks, serving.tolist(), strict=True)},
        score=score,
        bound=bound,
        optimal=bound - score <= TOLERANCE * max(served.unit, abs(score)),
        scores=dict(zip(tasks, best.tolist(), strict=True)),
    )


def _totals(table: np.ndarray, served: Served) -> np.ndarray:
    """For every task the sum of the scores of its block in each network, shape as ``table``."""
    if served.blocks is None:
        return table
    units = served.units.astype(bool)
    sums = np.stack([table[:, unit].sum(axis=1) for unit in units], axis=1)  # [networks, n]
    return sums[:, units.argmax(axis=0)]


def _scores(served: Served, group: Group) -> np.ndarray:
    """Shape [K]: the score of every task in the network; -inf where it is absent."""
    scores = np.full(served.count, -np.inf)
    members = list(group)
    if len(group) == 1:
        scores[members] = served.alone[members]
    else:
        scores[members] = served.gains[np.ix_(members, members)].sum(axis=1) / (len(group) - 1)
    return scores
