"""What a network is worth to the tasks that it serves.

Sets of tasks are bit masks: bit r is task r. ``gains[r][d]`` is the effect of donor d on recipient r (zero diagonal).
A network that holds the tasks g gives a task r of g the mean of ``gains[r][d]`` over the others d of g. If it *serves*
the set T, the rest g - T are *helpers*; with c(d) = sum over r in T of gains[r][d] the sum of the scores of T is

    (sum over d in T of c(d)  +  sum over helpers d of c(d)) / (|g| - 1),

so for a given |g| the best helpers are those with the largest c(d): the best network of every T follows from a sort.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHUNK = 1 << 13  # sets handled together: a few MB, so that all intermediate results stay in the cache


@dataclass(frozen=True, eq=False)
class Served:
    """The value of a network to a served set, and the network that gives it.

    Args:
        gains: shape [K, K], zero diagonal, finite.
        single: score of a task in a network of its own; None: such networks are not allowed, but for K = 1.
    """

    gains: np.ndarray
    single: float | None = None

    @property
    def count(self) -> int:
        """Number of tasks K."""
        return len(self.gains)

    def best(self) -> np.ndarray:
        """Shape [K]: the highest score that any network could give to each task (its best donor alone)."""
        return self.values(1 << np.arange(self.count))

    def values(self, masks: np.ndarray) -> np.ndarray:
        """Shape of ``masks``: the largest sum of the scores of each served set, over all networks that hold it."""
        values = np.empty(len(masks))
        for start in range(0, len(masks), CHUNK):
            part = slice(start, start + CHUNK)
            values[part] = self._by_helpers(masks[part])[0].max(axis=1)
        return values

    def networks(self, masks: np.ndarray, slack: float) -> tuple[np.ndarray, np.ndarray]:
        """Number of tasks and mask of the preferred network of each served set: the smallest, then the first in task
        order, of all whose value is within ``slack`` of the largest."""
        sizes, networks = np.empty(len(masks), np.int64), np.empty(len(masks), np.int64)
        for start in range(0, len(masks), CHUNK):
            part = slice(start, start + CHUNK)
            values, sums, members = self._by_helpers(masks[part])
            helpers = (values >= values.max(axis=1, keepdims=True) - slack).argmax(axis=1)
            sizes[part] = helpers + members.sum(axis=1)
            networks[part] = masks[part] | _first_of_largest(sums, helpers, slack)
        return sizes, networks

    def _by_helpers(self, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value of n served sets with 0, 1, ... helpers [n, K + 1]; c(d) of non-members, -inf of members [n, K];
        membership [n, K]."""
        members = (masks[:, None] >> np.arange(self.count)) & 1
        sums = members @ self.gains
        inner = np.einsum("nk,nk->n", members, sums)
        sums[members == 1] = -np.inf
        values = np.empty((len(masks), self.count + 1))
        values[:, 0] = inner
        values[:, 1:] = -np.sort(-sums, axis=1)
        np.cumsum(values, axis=1, out=values)
        others = members.sum(axis=1)[:, None] - 1 + np.arange(self.count + 1)
        values /= np.maximum(others, 1)
        values[others[:, 0] == 0, 0] = self.alone
        values[others[:, 0] < 0] = 0.0  # a network that serves nobody
        return values, sums, members

    @property
    def alone(self) -> float:
        """Score of a task in a network of its own; -inf where that is not allowed."""
        if self.single is not None:
            return self.single
        return 0.0 if self.count == 1 else -np.inf


def _first_of_largest(values: np.ndarray, counts: np.ndarray, slack: float) -> np.ndarray:
    """Masks [n] of the ``counts[i]`` largest of each row of ``values`` [n, K]; of equal ones (within ``slack``) the
    first."""
    rows = np.arange(len(values))
    smallest = -np.sort(-values, axis=1)[rows, np.maximum(counts, 1) - 1][:, None]
    with np.errstate(invalid="ignore"):  # -inf minus -inf
        levelled = np.where(np.abs(values - smallest) <= slack, smallest, values)
    order = np.argsort(-levelled, axis=1, kind="stable")
    chosen = np.arange(values.shape[1]) < counts[:, None]
    return np.where(chosen, 1 << order, 0).sum(axis=1)
