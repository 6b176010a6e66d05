"""The losses of one step, task by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..processes import sum_over_processes, world_size


@dataclass(frozen=True)
class TaskLosses:
    """Mean losses of one batch for all tasks.

    Attributes:
        values: ``[K]`` float32 (float64 for such losses), differentiable. 0 for an absent task, still connected to the
            graph. With several processes scaled so that the mean of the gradients over processes is that of ``means``.
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
        """Losses of somebody's own loop.

        Args:
            losses: Scalar tensors by task name; a task left out has no label in this process.
            tasks: All tasks, in order.
            counts: Labelled samples behind each loss. With several processes means are weighted by them; without
                them, every process that has the task counts the same.
        """
        some = next(iter(losses.values()), torch.zeros(()))
        dtype = torch.float64 if some.dtype == torch.float64 else torch.float32
        values = torch.stack([losses[task] if task in losses else some.new_zeros(()) for task in tasks]).to(dtype)
        number = [(1 if counts is None else counts[task]) if task in losses else 0 for task in tasks]
        count = torch.tensor(number, dtype=torch.float32, device=some.device)
        if world_size() == 1:
            return cls(values, values.detach(), count, all(number))
        sums, total = sum_over_processes(torch.stack([values.detach() * count, count]))
        divisor = total.clamp_min(1e-12)
        return cls(values * (count * world_size() / divisor), sums / divisor, total, bool((total > 0).all()))

    @property
    def present(self) -> Tensor:
        """``[K]`` bool: the task has a label in this step."""
        return self.counts > 0

    @property
    def usable(self) -> Tensor:
        """``[K]`` bool: present with a finite loss; only such losses enter a method's statistics."""
        return self.present & torch.isfinite(self.means)
