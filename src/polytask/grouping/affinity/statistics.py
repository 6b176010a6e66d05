"""Affinities gathered over sampled steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class AffinityStatistics:
    """Mean and standard error of every ordered pair over the sampled steps in which both tasks were present.

    Args:
        tasks: Number of tasks.
    """

    def __init__(self, tasks: int) -> None:
        # Count, sum and sum of squares per pair.
        self.sums = torch.zeros(3, tasks, tasks, dtype=torch.float64)
        self.samples = 0

    def add(self, affinity: Tensor, present: Tensor) -> None:
        """Add one sampled step.

        Args:
            affinity: ``[K, K]``, NaN where undefined.
            present: ``[K]`` bool, tasks with a label in the batch.
        """
        affinity, present = affinity.detach().double().cpu(), present.cpu()
        valid = present[:, None] & present[None, :] & torch.isfinite(affinity)
        value = torch.where(valid, affinity, 0.0)
        self.sums += torch.stack([valid.double(), value, value**2])
        self.samples += 1

    @property
    def mean(self) -> np.ndarray:
        """``[K, K]`` mean affinity; 0 for a pair that was never seen together (no evidence either way)."""
        count, total, _ = self.sums
        return torch.where(count > 0, total / count.clamp_min(1), 0.0).numpy()

    @property
    def standard_error(self) -> np.ndarray:
        """``[K, K]`` standard error of the mean; NaN below two samples."""
        count, total, squares = self.sums
        variance = (squares / count - (total / count) ** 2).clamp_min(0) * count / (count - 1)
        return torch.where(count > 1, (variance / count).sqrt(), torch.nan).numpy()

    @property
    def counts(self) -> np.ndarray:
        """``[K, K]`` sampled steps per pair."""
        return self.sums[0].long().numpy()

    def state_dict(self) -> dict[str, Any]:
        """Everything."""
        return {"sums": self.sums, "samples": self.samples}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.sums, self.samples = state["sums"], state["samples"]
