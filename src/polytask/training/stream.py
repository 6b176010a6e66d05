"""The order in which rows are drawn: a function of seed and step, so that it needs no state to resume."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..processes import rank, world_size


class EpochStream:
    """Shuffled passes over the rows in batches of nearly equal size (no tiny last batch).

    Args:
        rows: Number of rows.
        batch_size: Largest number of rows per step, over all processes.
        seed: The order of every epoch follows from it.

    Example:
        >>> stream = EpochStream(rows=5, batch_size=2, seed=0)
        >>> stream.steps_per_epoch, sorted(torch.cat([stream.ids(step) for step in range(3)]).tolist())
        (3, [0, 1, 2, 3, 4])
    """

    def __init__(self, rows: int, batch_size: int, seed: int) -> None:
        self.rows, self.seed = rows, seed
        self.steps_per_epoch = math.ceil(rows / batch_size)
        self._epoch = -1
        self._batches: tuple[Tensor, ...] = ()

    def ids(self, step: int) -> Tensor:
        """``[B]`` int64 row ids of a step, counted from 0; of this process's share where there are several."""
        epoch, within = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
            self._batches = torch.tensor_split(torch.randperm(self.rows, generator=generator), self.steps_per_epoch)
            self._epoch = epoch
        batch = self._batches[within]
        return batch if world_size() == 1 else batch[rank() :: world_size()]
