"""The losses of one step, task by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..errors import raise_all
from ..processes.collectives import sum_over_processes, world_size


@dataclass(frozen=True)
class OwnOutputs:
    """A linear layer of which every output belongs to one task, by construction.

    Attributes:
        weight: ``[W, D]`` its parameter, by which it is recognised in a graph.
        owned: ``[W, K]`` 1 where the output belongs to the task.
    """

    weight: Tensor
    owned: Tensor


@dataclass(frozen=True)
class TaskLosses:
    """Mean losses of one batch for all tasks.

    Attributes:
        values: ``[K]`` float32 (float64 for such losses), differentiable. 0 for an absent task, still connected to the
            graph. With several processes scaled so that the mean of the gradients over processes is that of ``means``.
        means: ``[K]`` float32, the same without a graph, over the batches of all processes; statistics are made of
            these.
        counts: ``[K]`` labelled samples of each task over all processes; 0 means absent.
        complete: True if no task is absent (known without asking the device).
        nodes: The graph's node behind each loss, where the losses are given one by one; None for a loss without one.
        outputs: The layer whose outputs the losses read, if each output has one task.
    """

    values: Tensor
    means: Tensor
    counts: Tensor
    complete: bool
    nodes: tuple[Any, ...] | None = None
    outputs: OwnOutputs | None = None

    @classmethod
    def from_mapping(
        cls,
        losses: Mapping[str, Tensor],
        tasks: list[str],
        counts: Mapping[str, int] | None = None,
        device: torch.device | None = None,
    ) -> TaskLosses:
        """Losses of a custom loop.

        Args:
            losses: Scalar tensors by task name; a task left out has no label in this process.
            tasks: All tasks, in order.
            counts: Labelled samples behind each loss; a task without any is left out. With several processes means are
                weighted by them; without them, every process that has the task counts the same.
            device: Where the tensors are if this process has no loss.

        Raises:
            UserError: If a loss is not a scalar tensor of real numbers, or has no count.
        """
        given = _scalars(losses)
        if counts is not None:
            raise_all([
                f"counts of {task!r}: expected the number of samples behind its loss, found {counts.get(task)!r}; give "
                "it, or leave the loss out"
                for task in given if not (counts.get(task) or 0) >= 0 or task not in counts
            ])  # fmt: skip
            # The mean of nothing may be NaN; another one stays in the graph, for whoever waits for its gradients.
            given = {task: loss for task, loss in given.items() if counts[task] or torch.isfinite(loss)}
        some = next(iter(given.values()), torch.zeros((), device=device))
        dtype = torch.float64 if any(loss.dtype == torch.float64 for loss in given.values()) else torch.float32
        zero = torch.zeros((), dtype=dtype, device=some.device)
        nodes = tuple(given[task].grad_fn if task in given else None for task in tasks)
        values = torch.stack([given.get(task, zero).to(dtype) for task in tasks])
        number = [(1 if counts is None else counts[task]) if task in given else 0 for task in tasks]
        count = torch.tensor(number, dtype=torch.float32, device=some.device)
        if world_size() == 1:
            return cls(values, values.detach().float(), count, all(number), nodes)
        if not values.requires_grad:  # no task in this process: a graph without parameters
            values.requires_grad_()
        count = count.double()  # whatever the losses of other processes are
        sums, total = sum_over_processes(torch.stack([values.detach() * count, count]))
        divisor = total.clamp_min(1e-12)
        scaled = values * (count * world_size() / divisor).to(dtype)
        return cls(scaled, (sums / divisor).float(), total.float(), bool((total > 0).all()), nodes)

    @cached_property
    def present(self) -> Tensor:
        """``[K]`` bool: the task has a label in this step."""
        return self.counts > 0

    @property
    def usable(self) -> Tensor:
        """``[K]`` bool: present with a finite loss; only such losses enter a method's statistics."""
        return self.present & torch.isfinite(self.means)

    @property
    def nothing(self) -> bool:
        """No task has a label, or every label has the weight 0."""
        return not self.complete and not bool(self.present.any())


def _scalars(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The losses as tensors of shape ``[]``."""
    raise_all([f"loss of {task!r}: {why}" for task, loss in losses.items() if (why := _misfit(loss))])
    return {task: loss.reshape(()) if loss.ndim else loss for task, loss in losses.items()}


def _misfit(loss: object) -> str | None:
    if not isinstance(loss, Tensor):
        return f"expected a scalar tensor, found {loss!r:.60}; leave out a task that has no loss in this step"
    if loss.numel() != 1:
        return f"expected a scalar, found the shape {list(loss.shape)}; give the mean over the samples, loss.mean()"
    if not loss.is_floating_point():
        return f"expected real numbers, found {loss.dtype}"
    return None
