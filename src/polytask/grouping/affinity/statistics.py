"""Affinities gathered over sampled steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..windows import Windows

#: Most windows kept, and most numbers in them; never fewer than LEAST_WINDOWS.
MOST_WINDOWS, MOST_NUMBERS, LEAST_WINDOWS = 100, 1_000_000, 8


class AffinityStatistics:
    """Mean, standard error and history of every ordered pair over the sampled steps in which both tasks were present.

    The history is kept in windows of equal numbers of steps. When the windows are used up, neighbours are merged and
    windows are twice as long from then on; so memory does not grow with the length of a training.

    Args:
        tasks: Number of tasks.
        windows: Most windows; an even number. Default: 100, fewer for more than 100 tasks.
    """

    def __init__(self, tasks: int, windows: int | None = None) -> None:
        if windows is None:
            windows = max(LEAST_WINDOWS, min(MOST_WINDOWS, MOST_NUMBERS // max(1, tasks) ** 2) // 2 * 2)
        # Per window and pair: count and sum; over all: sum of squares.
        self.counted, self.sums = torch.zeros(2, windows, tasks, tasks, dtype=torch.float64)
        self.squares = torch.zeros(tasks, tasks, dtype=torch.float64)
        self.samples, self.width = 0, 1

    def add(self, affinity: Tensor, present: Tensor, step: int) -> None:
        """Add one sampled step.

        Args:
            affinity: ``[K, K]``, NaN where undefined.
            present: ``[K]`` bool, tasks with a label in the batch.
            step: Its number, not before that of the last call.
        """
        affinity, present = affinity.detach().double().cpu(), present.cpu()
        valid = present[:, None] & present[None, :] & torch.isfinite(affinity)
        value = torch.where(valid, affinity, 0.0)
        while step // self.width >= len(self.sums):
            self.sums, self.counted = _merged(self.sums), _merged(self.counted)
            self.width *= 2
        self.counted[step // self.width] += valid
        self.sums[step // self.width] += value
        self.squares.addcmul_(value, value)
        self.samples += 1

    @property
    def tasks(self) -> int:
        """K."""
        return self.squares.shape[0]

    @property
    def mean(self) -> np.ndarray:
        """``[K, K]`` mean affinity; 0 for a pair that was never seen together (no evidence either way)."""
        count, total = self.counted.sum(0), self.sums.sum(0)
        return torch.where(count > 0, total / count.clamp_min(1), 0.0).numpy()

    @property
    def standard_error(self) -> np.ndarray:
        """``[K, K]`` standard error of the mean over sampled steps; NaN below two samples."""
        count, total = self.counted.sum(0), self.sums.sum(0)
        variance = (self.squares / count - (total / count) ** 2).clamp_min(0) * count / (count - 1)
        return torch.where(count > 1, (variance / count).sqrt(), torch.nan).numpy()

    @property
    def counts(self) -> np.ndarray:
        """``[K, K]`` sampled steps per pair."""
        return self.counted.sum(0).long().numpy()

    @property
    def windows(self) -> Windows:
        """The history over training; windows without a sample are left out."""
        used = self.counted.flatten(1).any(1).nonzero()[:, 0]
        count, total = self.counted[used], self.sums[used]
        first = (used * self.width).numpy()
        return Windows(
            np.stack([first, first + self.width], 1), (total / count.clamp_min(1)).numpy(), count.long().numpy()
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        vars(self).update({name: state[name] for name in vars(self)})


def _merged(windows: Tensor) -> Tensor:
    """``[W, K, K]`` sums of neighbouring windows, followed by empty ones."""
    pairs = windows.unflatten(0, (-1, 2)).sum(1)
    return torch.cat([pairs, torch.zeros_like(pairs)])
