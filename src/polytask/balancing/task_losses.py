"""The losses of one step, task by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TaskLosses:
    """Mean losses of one batch for all tasks.

    Attributes:
        values: ``[K]`` float32, differentiable. 0 for an absent task, still connected to the graph.
        means: ``[K]`` the same without a graph, over the batches of all processes; statistics are made of these.
        counts: ``[K]`` labelled samples of each task over all processes; 0 means absent.
        complete: True if no task is absent (known without asking the device).
    """

    values: Tensor
    means: Tensor
    counts: Tensor
    complete: bool

    @classmethod
    def from_mapping(
        cls, losses: Mapping[str, Tensor], tasks: list[str], counts: Mapping[str, int] | None = None
    ) -> TaskLosses:
        """Losses of somebody's own loop: scalar tensors by task name; a task left out is absent."""
        some = next(iter(losses.values()))
        values = torch.stack([losses[task].float() if task in losses else some.new_zeros(()) for task in tasks])
        number = [(1 if counts is None else counts[task]) if task in losses else 0 for task in tasks]
        count = torch.tensor(number, dtype=torch.float32, device=some.device)
        return cls(values, values.detach(), count, all(number))

    @property
    def present(self) -> Tensor:
        """``[K]`` bool: the task has a label in this step."""
        return self.counts > 0
