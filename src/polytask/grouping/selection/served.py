"""What a network is worth to the tasks that it serves.

``gains[r][d]`` is the effect of donor d on recipient r (zero diagonal). A network that holds the tasks g gives a task r
of g the mean of ``gains[r][d]`` over the others d of g. If it *serves* the set T, the rest g - T are *helpers*; with
c(d) = sum over r in T of gains[r][d] the sum of the scores of T is

    (sum over d in T of c(d)  +  sum over helpers d of c(d)) / (|g| - 1),

so for a given |g| the best helpers are those with the largest c(d): the best network of every T follows from a sort.
Where some tasks must not meet, the same holds within every largest set of tasks that may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .compatible import compatible_sets, without_conflicts
from .maxplus import subsets
from .result import TOLERANCE

CHUNK = 1 << 12  # sets handled together: few enough for all intermediate results to stay in the cache


@dataclass(frozen=True, eq=False)
class Served:
    """The value of a network to a served set, and the network that gives it.

    Args:
        gains: shape [K, K], zero diagonal, finite.
        single: score of a task in a separate network, one for all or shape [K]; None: only for a task that no other
            may join, with score 0.
        max_size: largest number of tasks in a network, helpers included; None: any.
        apart: shape [K, K], bool, symmetric: tasks that must not be in one network; None: none.
        blocks: shape [n, K], bool: the tasks divided into blocks, each served by one network; None: each by itself.

    Sets of tasks are rows of 0 and 1 ("members", shape [., K]); sets of blocks are bit masks of n bits. ``sizes``,
    shape [K + 1] or [., K + 1], bool, states which sizes a network may have; None: all up to ``limit``.

    Example:
        >>> served = Served(np.array([[0, 3, 0], [2, 0, 0], [0, 1, 0.0]]))
        >>> served.values()[[0b011, 0b111, 0b100]].tolist()  # (3 + 2) / 1, (3 + 2 + 1) / 2, and 1 with helper 1
        [5.0, 3.0, 1.0]
        >>> served.networks(np.array([[0, 0, 1]]), slack=1e-9).tolist()
        [[False, True, True]]
    """

    gains: np.ndarray
    single: np.ndarray | float | None = None
    max_size: int | None = None
    apart: np.ndarray | None = None
    blocks: np.ndarray | None = None

    @property
    def count(self) -> int:
        """Number of tasks K."""
        return len(self.gains)

    @cached_property
    def limit(self) -> int:
        """Largest number of tasks in a network."""
        return self.count if self.max_size is None else min(self.max_size, self.count)

    @cached_property
    def units(self) -> np.ndarray:
        """Shape [n, K]: the blocks that are divided among networks, as rows of 0 and 1."""
        return np.eye(self.count, dtype=np.int64) if self.blocks is None else self.blocks.astype(np.int64)

    @cached_property
    def columns(self) -> list[np.ndarray]:
        """The tasks of each block."""
        return [np.flatnonzero(unit) for unit in self.units]

    @cached_property
    def block_of(self) -> np.ndarray:
        """Shape [K]: the block of each task."""
        return self.units.argmax(axis=0)

    @cached_property
    def unit_gains(self) -> np.ndarray:
        """Shape [n, K]: what each task gives to each block."""
        return self.gains if self.blocks is None else self.units @ self.gains

    @cached_property
    def alone(self) -> np.ndarray:
        """Shape [K]: score of a task in a separate network; -inf where that is not allowed."""
        if self.single is not None:
            return np.broadcast_to(np.asarray(self.single, float), (self.count,))
        partners = self.count - 1 - (0 if self.apart is None else self.apart.sum(axis=1))
        return np.where(np.broadcast_to(partners, (self.count,)) * (self.limit > 1) > 0, -np.inf, 0.0)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Shape [K + 1]: the sizes that ``max_size`` allows."""
        return np.arange(self.count + 1) <= self.limit

    @cached_property
    def all(self) -> np.ndarray:
        """Shape [K]: true."""
        return np.ones(self.count, bool)

    @cached_property
    def free(self) -> list[np.ndarray]:
        """The largest sets of tasks, each shape [K], bool, without two that must not meet."""
        return [self.all] if self.apart is None else compatible_sets(self.apart)

    def best(self) -> np.ndarray:
        """Shape [K]: no network could give a task more (its best donor alone, or itself)."""
        gains = np.where(np.eye(self.count, dtype=bool), -np.inf, self.gains)
        if self.apart is not None:
            gains = np.where(self.apart, -np.inf, gains)
        return np.maximum(gains.max(axis=1), self.alone) if self.limit > 1 else self.alone.copy()

    @cached_property
    def unit(self) -> float:
        """The size of scores that can be had: the mean over the tasks of the largest each could get, without its sign.

        Tolerances are relative to it, so that the unit of the affinities does not matter; nor does one very bad pair.
        """
        return float(np.abs(self.best()).mean())

    def slack(self, total: float) -> float:
        """Sums of the scores of all tasks that differ from ``total`` by less are equal to it."""
        return TOLERANCE * max(self.count * self.unit, abs(total))

    def members(self, masks: np.ndarray) -> np.ndarray:
        """Sets of blocks given as bit masks [.], as rows of 0 and 1 over the tasks [., K]."""
        chosen = (masks[:, None] >> np.arange(len(self.units))) & 1
        return chosen if self.blocks is None else chosen @ self.units

    def values(self, sizes: np.ndarray | None = None) -> np.ndarray:
        """Shape [2^n]: for every set of blocks the largest sum of the scores of its tasks, over all networks that may
        hold it; -inf if none may."""
        values = np.full(1 << len(self.units), -np.inf)
        for free in self.free:
            inside = int(((self.units[:, ~free] == 0).all(axis=1) * (1 << np.arange(len(self.units)))).sum())
            masks = subsets(inside)
            for start in range(0, len(masks), CHUNK):
                part = masks[start : start + CHUNK]
                members = self.members(part)
                worths = self._by_helpers(members, members @ self.gains, sizes, free).max(axis=1)
                values[part] = np.maximum(values[part], worths)
        return values

    def worth(self, members: np.ndarray, sums: np.ndarray, sizes: np.ndarray | None = None) -> np.ndarray:
        """Values of sets given as ``members`` [., K] with their c(d), ``sums`` = members @ gains [., K], for a search.

        A set that no network may serve is worth less the further it is from that: a search must find its way out.
        Where tasks must not meet, the value is that of a good network, not always of the best.
        """
        values = self._by_helpers(members, sums, sizes, self._candidates(members, sums)).max(axis=1)
        if np.isneginf(values).any():
            wrong = self._violations(members, sizes) + 1
            values = np.where(np.isneginf(values), -wrong * self.penalty, values)
        return values

    def networks(self, members: np.ndarray, slack: float, sizes: np.ndarray | None = None) -> np.ndarray:
        """Shape [., K], bool: the preferred network of each served set: the smallest, then the first in task order, of
        all whose value is within ``slack`` of the largest."""
        networks = np.empty(members.shape, bool)
        for start in range(0, len(members), CHUNK):
            part = members[start : start + CHUNK]
            sums = part @ self.gains
            found = [self._network(part, sums, slack, sizes, free) for free in self._frees(part, sums)]
            networks[start : start + CHUNK] = found[0][1] if len(found) == 1 else _preferred(found, slack)
        return networks

    @cached_property
    def penalty(self) -> float:
        """More than all scores together can make up for."""
        alone = self.alone[np.isfinite(self.alone)]
        largest = max(float(np.abs(self.gains).max()), float(np.abs(alone).max(initial=0.0)))
        return 4.0 * self.count * (largest or 1.0)

    def _frees(self, members: np.ndarray, sums: np.ndarray) -> Iterator[np.ndarray]:
        """Which helpers may be taken together, for each served set; all ways, or beyond some number a good one."""
        if self.count > 20 and self.apart is not None:
            yield self._candidates(members, sums)
            return
        yield from self.free

    def _candidates(self, members: np.ndarray, sums: np.ndarray) -> np.ndarray:
        if self.apart is None:
            return self.all
        return without_conflicts(members, sums, self.apart)

    def _violations(self, members: np.ndarray, sizes: np.ndarray | None) -> np.ndarray:
        """How many tasks too many, and pairs that must not meet, are in each set."""
        allowed = np.atleast_2d(self.sizes if sizes is None else sizes)
        largest = np.where(allowed, np.arange(self.count + 1), 0).max(axis=1)
        wrong = np.maximum(members.sum(axis=1) - largest, 0)
        if self.apart is not None:
            wrong = wrong + np.einsum("nk,nk->n", members @ self.apart, members) // 2
        return wrong

    def _network(
        self, members: np.ndarray, sums: np.ndarray, slack: float, sizes: np.ndarray | None, free: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The largest values [.] with the helpers in ``free``, and the preferred networks [., K] that give them."""
        values = self._by_helpers(members, sums, sizes, free)
        best = values.max(axis=1)
        helpers = (values >= best[:, None] - slack).argmax(axis=1)
        outside = np.where((members == 1) | ~free, -np.inf, sums)
        return best, (members == 1) | _first_of_largest(outside, helpers, slack)

    def _by_helpers(
        self, members: np.ndarray, sums: np.ndarray, sizes: np.ndarray | None, free: np.ndarray
    ) -> np.ndarray:
        """Value of served sets with 0, 1, ..., K helpers from ``free``, shape [., K + 1]; -inf where not possible."""
        values = np.empty((len(members), self.count + 1))
        values[:, 0] = np.einsum("nk,nk->n", members, sums)
        taken = members if free is self.all else (members == 1) | ~free
        values[:, 1:] = -np.sort(np.where(taken, np.inf, -sums), axis=1)
        np.cumsum(values, axis=1, out=values)
        size = members.sum(axis=1)[:, None] + np.arange(self.count + 1)
        values /= np.maximum(size - 1, 1)
        one = size[:, 0] == 1
        if one.any():
            values[one, 0] = self.alone[members[one].argmax(axis=1)]
        allowed = self.sizes if sizes is None else sizes
        if not allowed[..., 1:].all():
            fits = np.take_along_axis(np.broadcast_to(allowed, values.shape), np.minimum(size, self.count), axis=1)
            values[~fits] = -np.inf
        if free.ndim == 1 and free is not self.all:
            values[(members[:, ~free] == 1).any(axis=1)] = -np.inf
        elif free.ndim == 2:  # two of them may have to be apart
            values[((members @ self.apart) * members).any(axis=1)] = -np.inf
        values[size[:, 0] == 0] = 0.0  # a network that serves nobody
        return values


def _preferred(found: list[tuple[np.ndarray, np.ndarray]], slack: float) -> np.ndarray:
    """Of several networks for each served set the smallest, then the first in task order, of the best."""
    best = np.max([values for values, _ in found], axis=0)
    chosen = found[0][1].copy()
    for row in range(len(best)):
        good = [networks[row] for values, networks in found if values[row] >= best[row] - slack]
        chosen[row] = min(good, key=lambda network: (int(network.sum()), np.flatnonzero(network).tolist()))
    return chosen


def _first_of_largest(values: np.ndarray, counts: np.ndarray, slack: float) -> np.ndarray:
    """Shape [., K], bool: where the ``counts[i]`` largest of each row of ``values`` [., K] are; of equal ones (within
    ``slack``) the first."""
    rows = np.arange(len(values))
    smallest = -np.sort(-values, axis=1)[rows, np.maximum(counts, 1) - 1][:, None]
    with np.errstate(invalid="ignore"):  # -inf minus -inf
        levelled = np.where(np.abs(values - smallest) <= slack, smallest, values)
    order = np.argsort(-levelled, axis=1, kind="stable")
    chosen = np.zeros(values.shape, bool)
    np.put_along_axis(chosen, order, np.arange(values.shape[1]) < counts[:, None], axis=1)
    return chosen
