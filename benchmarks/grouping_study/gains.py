"""Networks by what single-task models gain over one network for all, and by affinity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from math import log

import numpy as np

from polytask.grouping import Selection, select_networks
from polytask.grouping.selection.checks import Constraints, checked
from polytask.grouping.selection.clock import Clock
from polytask.grouping.selection.result import TOLERANCE
from polytask.grouping.strategies import Context
from polytask.grouping.strategies.by_affinity import MANY, MOST_SECONDS, by_affinity

#: Weight of the standardised affinity, in units of the mean size of the gains; chosen on other seeds than those of the
#: study.
AFFINITY = 0.3


def gains(context: Context) -> list[Selection]:
    """The networks with the highest predicted skill, for every budget.

    Predicted is a line between one network for all and a single-task model, over the logarithm of the number of tasks:
    a task that is better alone gets few partners, another one many; affinity decides which ones. Single-task models
    that are not known have the mean gain of those that are; without any, networks are chosen by affinity alone. The
    choice is what a search finds, which has a minute for more than 200 tasks.

    Not in the library: on seeds that did not choose the weight of affinity it is no better than affinity alone.
    """
    together = context.known.get(context.tasks)
    alone = {task: context.known[task,][task] for task in context.tasks if (task,) in context.known}
    if together is None or not alone:
        return by_affinity(context)
    skills = np.array([together[task] for task in context.tasks])
    mean = float(np.mean([alone[task] - together[task] for task in alone]))
    gain = np.array([alone[task] - together[task] if task in alone else mean for task in context.tasks])
    search = _Search(context, ExpectedSkill(skills, gain, np.asarray(context.measured.matrix, float)))
    return [search.selection(budget) for budget in context.budgets]


class ExpectedSkill:
    """How good networks would be for each of their tasks.

    Args:
        together: Shape [K], skill of one network for all.
        gain: Shape [K], what a single-task model gains over it.
        affinity: Shape [K, K], effect of the row's task on the column's; the diagonal is not read. None: not known.

    Example:
        >>> predicted = ExpectedSkill(np.array([0.5, 0.5, 0.5]), np.array([0.2, 0.0, -0.2]))
        >>> predicted(np.array([[True, False, False], [True, False, True], [True, True, True]])).round(3).tolist()
        [[0.7, -inf, -inf], [0.574, -inf, 0.426], [0.5, 0.5, 0.5]]
    """

    def __init__(self, together: np.ndarray, gain: np.ndarray, affinity: np.ndarray | None = None) -> None:
        self.together, self.gain = together, gain
        self._affinity = np.zeros((len(gain),) * 2) if affinity is None else _standardised(affinity)
        self._weight = AFFINITY * float(np.abs(gain).mean())

    def __call__(self, members: np.ndarray) -> np.ndarray:
        """Of networks for these tasks, shape [G, K]; -inf for a task that is not in one."""
        sizes, count = members.sum(1)[:, None], members.shape[1]
        share = np.log(count / np.maximum(sizes, 1)) / log(count)
        affinity = members @ self._affinity / np.maximum(sizes - 1, 1)
        return np.where(members, self.together + share * self.gain + self._weight * affinity, -np.inf)


class _Search:
    """The networks that a prediction prefers; a network is a row of K truth values."""

    def __init__(self, context: Context, predicted: ExpectedSkill) -> None:
        self.context, self.predicted = context, predicted
        served = checked(context.measured, Constraints(**context.constraints), context.budgets[-1], None, None).served
        #: Tasks that are in the same networks, and served by the same one; a row each.
        self.units = np.eye(len(context.tasks), dtype=bool) if served.blocks is None else served.blocks
        self.apart, self.largest = served.apart, context.constraints.get("max_size") or len(context.tasks)

    def selection(self, budget: int) -> Selection:
        """The best choice that is found from the networks of affinity, and from one for all."""
        clock = Clock(MOST_SECONDS if len(self.context.tasks) > MANY else None)
        by_affinity = select_networks(self.context.measured, budget, seconds=clock.seconds, **self.context.constraints)
        first = np.array([[task in network for task in self.context.tasks] for network in by_affinity.networks])
        starts = [first, np.ones((1, first.shape[1]), bool)]
        found = [self._searched(start, budget, clock) for start in starts]
        return self._described(max(found, key=self._score))

    def _score(self, chosen: np.ndarray) -> float:
        return float(self._values(chosen).max(0).sum())

    def _searched(self, chosen: np.ndarray, budget: int, clock: Clock) -> np.ndarray:
        """Change one or two networks at a time as long as that is better."""
        best = self._score(chosen)
        while True:
            score, changed = max(self._changed(chosen, budget), key=lambda one: one[0])
            if clock.over() or not score > best + TOLERANCE * abs(best):
                return chosen
            chosen, best = changed, score

    def _changed(self, chosen: np.ndarray, budget: int) -> Iterator[tuple[float, np.ndarray]]:
        """The best choice of each sort with its score: a unit enters or leaves a network, or moves to another one; a
        network is added, or exchanged for one of a single unit or of all."""
        count = len(chosen)
        flipped = chosen[:, None] ^ self.units  # [N, U, K]
        values = self._values(flipped.reshape(-1, chosen.shape[1])).reshape(count, len(self.units), -1)
        fresh = np.vstack([self.units, np.ones((1, chosen.shape[1]), bool)])
        other = self._values(fresh)
        rest = [self._rest(chosen, [k]) for k in range(count)]
        for k in range(count):
            yield _best(np.maximum(rest[k], values[k]), lambda u, k=k: _with(chosen, {k: flipped[k, u]}))
            yield _best(np.maximum(rest[k], other), lambda u, k=k: _with(chosen, {k: fresh[u]}))
        if count < budget:
            extra = np.concatenate([other, values.reshape(-1, values.shape[2])])
            rows = np.concatenate([fresh, flipped.reshape(-1, chosen.shape[1])])
            yield _best(np.maximum(self._rest(chosen, []), extra), lambda row: np.vstack([chosen, rows[row]]))
        for k, m in combinations(range(count), 2):
            both = np.maximum(np.maximum(self._rest(chosen, [k, m]), values[k]), values[m])
            yield _best(both, lambda u, k=k, m=m: _with(chosen, {k: flipped[k, u], m: flipped[m, u]}))

    def _rest(self, chosen: np.ndarray, without: list[int]) -> np.ndarray:
        """Shape [U]: the best values without some networks."""
        kept = np.delete(chosen, without, axis=0)
        return self._values(kept).max(0) if len(kept) else np.full(len(self.units), -np.inf)

    def _values(self, groups: np.ndarray) -> np.ndarray:
        """Shape [G, U]: sum over a unit's tasks; -inf where a network does not serve it, or is not allowed."""
        wrong = groups.sum(1) > self.largest
        if self.apart is not None:
            wrong |= ((groups @ self.apart.astype(int)) * groups).any(1)
        predicted = self.predicted(groups)
        serves = groups.astype(int) @ self.units.T == self.units.sum(1)
        summed = np.where(groups, predicted, 0.0) @ self.units.T
        return np.where(serves & ~wrong[:, None], summed, -np.inf)

    def _described(self, chosen: np.ndarray) -> Selection:
        """Each unit is served by the network that is best for it; networks that serve none are dropped."""
        tasks, predicted = self.context.tasks, self.predicted(chosen)
        best = self._values(chosen).argmax(0)
        used = sorted(set(best.tolist()), key=lambda k: np.flatnonzero(chosen[k]).tolist())
        serving = {tasks[place]: k for unit, k in zip(self.units, best.tolist(), strict=True)
                   for place in np.flatnonzero(unit)}  # fmt: skip
        scores = {task: float(predicted[serving[task], place]) for place, task in enumerate(tasks)}
        networks = tuple(tuple(np.array(tasks)[chosen[k]].tolist()) for k in used)
        score = sum(scores.values()) / len(scores)
        return Selection(networks, {task: used.index(serving[task]) for task in tasks}, score, score, False, scores)


def _best(values: np.ndarray, make: Callable[[int], np.ndarray]) -> tuple[float, np.ndarray]:
    """The largest sum of a row, and what is made of its place."""
    sums = values.sum(1)
    place = int(sums.argmax())
    return float(sums[place]), make(place)


def _with(chosen: np.ndarray, rows: dict[int, np.ndarray]) -> np.ndarray:
    """The choice with some rows exchanged; networks without tasks are dropped."""
    changed = chosen.copy()
    for place, row in rows.items():
        changed[place] = row
    return changed[changed.any(1)]


def _standardised(affinity: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1 off the diagonal, which is 0."""
    others = ~np.eye(len(affinity), dtype=bool)
    known, count = np.where(others, affinity, 0.0), len(affinity) - 1
    centred = np.where(others, known - known.sum(0) / count, 0.0)
    spread = np.sqrt((centred**2).sum(0) / count)
    return centred / np.where(spread > 0, spread, 1.0)
