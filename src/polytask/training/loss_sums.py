"""What the tasks' losses and labels add up to from one evaluation to the next."""

from __future__ import annotations

import torch
from torch import Tensor

from ..balancing import TaskLosses

#: Steps that are summed up together: of a small network the arithmetic would be a good part of a step.
TOGETHER = 64


class LossSums:
    """Sums over steps, of every task.

    Example:
        >>> sums = LossSums(2)
        >>> means, counts = torch.tensor([0.5, 0.0]), torch.tensor([4.0, 0.0])
        >>> sums.add(TaskLosses(means, means, counts, complete=False))
        >>> sums.values.tolist()
        [[2.0, 0.0], [4.0, 0.0], [1.0, 0.0]]
    """

    def __init__(self, tasks: int, device: torch.device | str = "cpu") -> None:
        self._values = torch.zeros(3, tasks, dtype=torch.float64, device=device)
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def add(self, losses: TaskLosses) -> None:
        """Take in one step; the arithmetic is done for many steps at once."""
        self._waiting.append((losses.means, losses.counts))
        if len(self._waiting) == TOGETHER:
            self._fold()

    @property
    def values(self) -> Tensor:
        """``[3, K]`` float64: losses of all labels, labels (or their weights), steps with a label."""
        self._fold()
        return self._values

    @values.setter
    def values(self, values: Tensor) -> None:
        self._values, self._waiting = values.to(self._values.device), []

    def _fold(self) -> None:
        if self._waiting:
            means, counts = (torch.stack(parts) for parts in zip(*self._waiting, strict=True))
            found = torch.stack([means * counts, counts, (counts > 0).to(counts)])
            self._values = self._values + found.double().sum(1)
            self._waiting = []
