"""What a network is worth to the tasks that it serves.

``gains[r][d]`` is the effect of donor d on recipient r (zero diagonal). A network that holds the tasks g gives a task r
of g the mean of ``gains[r][d]`` over the others d of g. If it *serves* the set T, the rest g - T are *helpers*; with
c(d) = sum over r in T of gains[r][d] the sum of the scores of T is

    (sum over d in T of c(d)  +  sum over helpers d of c(d)) / (|g| - 1),

so for a given |g| the best helpers are those with the largest c(d): the best network of every T follows from a sort.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHUNK = 1 << 12  # sets handled together: few enough for all intermediate results to stay in the cache


@dataclass(frozen=True, eq=False)
class Served:
    """The value of a network to a served set, and the network that gives it.

    Args:
        gains: shape [K, K], zero diagonal, finite.
        single: score of a task in a network of its own; None: such networks are not allowed, but for K = 1.
        max_size: largest number of tasks in a network, helpers included; None: any.

    Sets of tasks are rows of 0 and 1 ("members", shape [n, K]), or bit masks (shape [n]) where all 2^K are at stake.

    Example:
        >>> served = Served(np.array([[0, 3, 0], [2, 0, 0], [0, 1, 0.0]]))
        >>> served.values(np.array([0b011, 0b111, 0b100])).tolist()  # (3 + 2) / 1, (3 + 2 + 1) / 2, and 1 with helper 1
        [5.0, 3.0, 1.0]
        >>> served.networks(np.array([[0, 0, 1]]), slack=1e-9).tolist()
        [[False, True, True]]
    """

    gains: np.ndarray
    single: float | None = None
    max_size: int | None = None

    @property
    def limit(self) -> int:
        """Largest number of tasks in a network."""
        return self.count if self.max_size is None else min(self.max_size, self.count)

    @property
    def count(self) -> int:
        """Number of tasks K."""
        return len(self.gains)

    @property
    def alone(self) -> float:
        """Score of a task in a network of its own; -inf where that is not allowed."""
        if self.single is not None:
            return self.single
        return 0.0 if self.count == 1 else -np.inf

    def best(self) -> np.ndarray:
        """Shape [K]: the highest score that any network could give to each task (its best donor alone)."""
        return self.worth(np.eye(self.count, dtype=np.int64), self.gains)

    def members(self, masks: np.ndarray) -> np.ndarray:
        """Sets given as bit masks [n], as rows of 0 and 1 [n, K]."""
        return (masks[:, None] >> np.arange(self.count)) & 1

    def values(self, masks: np.ndarray) -> np.ndarray:
        """Shape [n]: the largest sum of the scores of each served set, over all networks that hold it."""
        values = np.empty(len(masks))
        for start in range(0, len(masks), CHUNK):
            members = self.members(masks[start : start + CHUNK])
            values[start : start + CHUNK] = self.worth(members, members @ self.gains)
        return values

    def worth(self, members: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """The same for sets given as ``members`` [n, K] with their c(d), ``sums`` = members @ gains [n, K]."""
        return self._by_helpers(members, sums).max(axis=1)

    def networks(self, members: np.ndarray, slack: float) -> np.ndarray:
        """Shape [n, K], bool: the preferred network of each served set: the smallest, then the first in task order, of
        all whose value is within ``slack`` of the largest."""
        networks = np.empty(members.shape, bool)
        for start in range(0, len(members), CHUNK):
            part = members[start : start + CHUNK]
            sums = part @ self.gains
            values = self._by_helpers(part, sums)
            helpers = (values >= values.max(axis=1, keepdims=True) - slack).argmax(axis=1)
            sums[part == 1] = -np.inf
            networks[start : start + CHUNK] = (part == 1) | _first_of_largest(sums, helpers, slack)
        return networks

    @property
    def _penalty(self) -> float:
        """More than all scores together can make up for."""
        return 4.0 * self.count * max(1.0, float(np.abs(self.gains).max()), abs(self.single or 0.0))

    def _by_helpers(self, members: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Value of n served sets with 0, 1, ..., K helpers, shape [n, K + 1]; -inf where it is not possible."""
        values = np.empty((len(members), self.count + 1))
        values[:, 0] = np.einsum("nk,nk->n", members, sums)
        values[:, 1:] = -np.sort(np.where(members, np.inf, -sums), axis=1)
        np.cumsum(values, axis=1, out=values)
        others = members.sum(axis=1)[:, None] - 1 + np.arange(self.count + 1)
        values /= np.maximum(others, 1)
        values[others[:, 0] == 0, 0] = self.alone
        values[others[:, 0] < 0] = 0.0  # a network that serves nobody
        if self.limit < self.count:
            # a served set above the limit is worth less with each task: the search must find its way out of there
            excess = others[:, 0] + 1 - self.limit
            values[others >= self.limit] = -np.inf
            values[excess > 0, 0] = -excess[excess > 0] * self._penalty
        return values


def _first_of_largest(values: np.ndarray, counts: np.ndarray, slack: float) -> np.ndarray:
    """Shape [n, K], bool: where the ``counts[i]`` largest of each row of ``values`` [n, K] are; of equal ones (within
    ``slack``) the first."""
    rows = np.arange(len(values))
    smallest = -np.sort(-values, axis=1)[rows, np.maximum(counts, 1) - 1][:, None]
    with np.errstate(invalid="ignore"):  # -inf minus -inf
        levelled = np.where(np.abs(values - smallest) <= slack, smallest, values)
    order = np.argsort(-levelled, axis=1, kind="stable")
    chosen = np.zeros(values.shape, bool)
    np.put_along_axis(chosen, order, np.arange(values.shape[1]) < counts[:, None], axis=1)
    return chosen
