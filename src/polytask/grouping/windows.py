"""The history of task affinities over a training, in windows of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError

#: Digits of a number in JSON; the noise of an affinity is larger by far.
DIGITS = 7


@dataclass(frozen=True, eq=False)
class Windows:
    """Samples of the affinities, gathered in W consecutive windows of training steps; windows without any are left out.

    Attributes:
        steps: ``[W, 2]`` whole numbers: the first step of a window, and the step after its last.
        means: ``[W, K, K]``; ``means[w, i, j]`` is the mean of the samples of Z_{i->j} in window w; 0 if it has none.
        counts: ``[W, K, K]`` whole numbers: the samples behind each mean (steps in which both tasks were present).

    Example (Two windows of ten steps; in the second the task is seen once):
        >>> windows = Windows(np.array([[0, 10], [10, 20]]), np.array([[[1.0]], [[4.0]]]), np.array([[[2]], [[1]]]))
        >>> windows.mean().tolist(), windows.mean([0, 1]).tolist()
        ([[2.0]], [[4.0]])
        >>> Windows.from_json_dict(windows.to_json_dict()).counts.tolist()
        [[[2]], [[1]]]
    """

    steps: np.ndarray
    means: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)

    def mean(self, weights: Any = None) -> np.ndarray:
        """``[K, K]`` mean of all samples; 0 for a pair without any.

        Args:
            weights: ``[W]`` how often each window counts (a bootstrap draws these); once by default.
        """
        weight = np.ones(len(self)) if weights is None else np.asarray(weights, dtype=float)
        counted = self.counts * weight[:, None, None]
        return (counted * self.means).sum(0) / np.maximum(counted.sum(0), 1e-300)

    def joined(self, most: int) -> Windows:
        """At most so many windows: neighbours are joined, every sample counts alike.

        Example:
            >>> counts = np.array([1, 3, 0, 0])[:, None, None]
            >>> four = Windows(np.arange(8).reshape(4, 2), np.arange(4.0)[:, None, None], counts)
            >>> two = four.joined(2)
            >>> two.steps.tolist(), two.means.ravel().tolist(), two.counts.ravel().tolist()
            ([[0, 3], [4, 7]], [0.75, 0.0], [4, 0])
        """
        starts = np.arange(0, len(self), -(-len(self) // most))
        ends = np.append(starts[1:], len(self)) - 1
        counts = np.add.reduceat(self.counts, starts)
        means = np.add.reduceat(self.counts * self.means, starts) / np.maximum(counts, 1)
        return Windows(np.stack([self.steps[starts, 0], self.steps[ends, 1]], 1), means, counts)

    def to_json_dict(self) -> dict[str, Any]:
        """``{"steps": [[first, end], ...], "means": [matrix, ...], "counts": [matrix or number, ...]}``.

        The counts of a window are one number where they are the same for all pairs.
        """
        return {
            "steps": self.steps.tolist(),
            "means": [[[float(f"{x:.{DIGITS}g}") for x in row] for row in matrix] for matrix in self.means],
            "counts": [int(c.flat[0]) if (c == c.flat[0]).all() else c.tolist() for c in self.counts],
        }

    @classmethod
    def from_json_dict(cls, content: Any, where: str = "windows") -> Windows:
        """Read what :meth:`to_json_dict` gave.

        Raises:
            UserError: it is something else.
        """
        try:
            steps = np.array(content["steps"], dtype=np.int64).reshape(-1, 2)
            size = len(content["means"][0]) if len(steps) else 0
            means = np.array(content["means"], dtype=np.float64).reshape(len(steps), size, size)
            full = [np.broadcast_to(np.array(count, dtype=np.int64), (size, size)) for count in content["counts"]]
            counts = np.array(full, dtype=np.int64).reshape(means.shape)
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"{where}: expected 'steps' [W, 2], 'means' [W, K, K] and 'counts' (W numbers or matrices); "
                "measure again, or remove it"
            ) from None
        return cls(steps, means, counts)
