"""What an update on one task does to the losses of all: the measurement behind task affinity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...balancing import TaskLosses
from ...balancing.randomness import rng_state, set_rng_state
from ...processes.collectives import sum_over_processes, world_size
from .virtual_step import VirtualStep


def affinity_of_losses(before: Tensor, after: Tensor, eps: float = 1e-12) -> Tensor:
    """Inter-task affinity ``Z[i, j] = 1 - after[i, j] / before[j]``.

    Args:
        before: ``[K]`` losses at the present parameters.
        after: ``[n, K]`` losses (columns) after n steps of the shared parameters, each on one task (rows).
        eps: A loss below this gives NaN: the ratio would explode.

    Returns:
        ``[n, K]``; positive where step i helped task j.

    Source:
        Fifty et al., NeurIPS 2021, arXiv:2109.04617, Eq. 1.

    Example:
        >>> affinity_of_losses(torch.tensor([2., 1.]), torch.tensor([[1., 1.], [2., .5]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """
    return torch.where(before > eps, 1 - after / before, torch.nan)


def affinity_of_gramian(gramian: Tensor, losses: Tensor, learning_rate: float, eps: float = 1e-12) -> Tensor:
    """First-order form of :func:`affinity_of_losses` for plain gradient descent: ``lr * G[i, j] / L[j]``.

    Args:
        gramian: ``[K, K]`` inner products of the tasks' gradients.
        losses: ``[K]``.
        learning_rate: Step size.
        eps: A loss below this gives NaN.

    Example:
        >>> affinity_of_gramian(torch.tensor([[2., 1.], [1., 4.]]), torch.tensor([1., 2.]), 0.1)
        tensor([[0.2000, 0.0500],
                [0.1000, 0.2000]])
    """
    return affinity_of_falls(learning_rate * gramian, losses, eps)


def affinity_of_falls(falls: Tensor, losses: Tensor, eps: float = 1e-12) -> Tensor:
    """Relative falls ``[n, K]`` of the losses ``[K]`` from absolute ones; NaN where a loss is below ``eps``."""
    return torch.where(losses > eps, falls / losses, torch.nan)


def first_order_falls(rows: Sequence[Tensor], shared: Sequence[Tensor], step: VirtualStep) -> Tensor:
    """``g_j . (theta - step(g_i))``: by how much loss j falls in a step on task i alone, to first order.

    Args:
        rows: ``[K, *shape]`` per shared parameter, the gradients of the tasks.
        shared: The parameters.
        step: See :func:`~polytask.grouping.affinity.virtual_step.virtual_step`.

    Returns:
        ``[K, K]``.

    Example (Adam's first step goes by the signs of a gradient):
        >>> from torch.optim import Adam
        >>> from polytask.grouping.affinity.virtual_step import virtual_step
        >>> theta = nn.Parameter(torch.zeros(2))
        >>> step = virtual_step("optimizer", Adam([theta], lr=0.1), [theta])
        >>> first_order_falls([torch.tensor([[3.0, 1.0], [0.5, -2.0]])], [theta], step)
        tensor([[ 0.4000, -0.1500],
                [ 0.2000,  0.2500]])
    """
    tasks = range(len(rows[0]))
    falls = rows[0].new_zeros(len(tasks), len(tasks))
    with torch.no_grad():
        for place, task in zip(falls, tasks, strict=True):
            donor = [row[task] for row in rows]
            for row, parameter, moved in zip(rows, shared, step(donor), strict=True):
                place += row.flatten(1) @ (parameter - moved).flatten().to(row.dtype)
    return falls


@contextmanager
def untouched(model: nn.Module) -> Iterator[Tensor]:
    """Give the random state, and afterwards put it, all parameters and all buffers back, bit for bit."""
    state = rng_state()
    tensors = [*model.parameters(), *model.buffers()]
    copies = [tensor.detach().clone() for tensor in tensors]
    try:
        yield state
    finally:
        with torch.no_grad():
            for tensor, copy in zip(tensors, copies, strict=True):
                tensor.copy_(copy)
        set_rng_state(state)


def lookahead_losses(
    model: nn.Module,
    forward: Callable[[], TaskLosses],
    shared: Sequence[Tensor],
    step: VirtualStep,
) -> tuple[TaskLosses, Tensor]:
    """Losses before and after a step of the shared parameters on each task alone.

    For every task present: its gradient (the mean over all processes) for the shared parameters, the virtual step,
    then the losses of all tasks on the same batch; heads are fixed. All forward passes use the same dropout masks and
    batch statistics; parameters, buffers and the random state are put back.

    Args:
        model: The network in the mode of the training forward.
        forward: A forward pass at the parameters of the moment.
        shared: The parameters that move.
        step: See :func:`~polytask.grouping.affinity.virtual_step.virtual_step`.

    Returns:
        ``before``, and ``after [K, K]``: row i after the step on task i, NaN for an absent one.

    Example (A quadratic; the step on task 0 halves its distance):
        >>> from torch.optim import SGD
        >>> from polytask.grouping.affinity.virtual_step import virtual_step
        >>> theta = nn.Parameter(torch.tensor([1.0]))
        >>> def forward():
        ...     return TaskLosses.from_mapping({"a": theta[0] ** 2, "b": (theta[0] - 3) ** 2}, ["a", "b"])
        >>> step = virtual_step("sgd", SGD([theta], lr=0.25), [theta])
        >>> before, after = lookahead_losses(nn.ParameterList([theta]), forward, [theta], step)
        >>> before.means, after
        (tensor([1., 4.]), tensor([[0.2500, 6.2500],
                [4.0000, 1.0000]]))
    """
    with untouched(model) as state:
        before = forward()
        present = before.present.tolist()
        rows: list[Sequence[Tensor | None] | None] = [
            torch.autograd.grad(value, shared, retain_graph=True, allow_unused=True) if there else None
            for value, there in zip(before.values, present, strict=True)
        ]
        start = [parameter.detach().clone() for parameter in shared]
        after = torch.full((len(rows), len(present)), torch.nan, dtype=before.means.dtype, device=before.means.device)
        with torch.no_grad():
            for row, gradient in enumerate(rows):
                if gradient is None:
                    continue
                for parameter, moved in zip(shared, step(_mean_over_processes(gradient)), strict=True):
                    parameter.copy_(moved)
                set_rng_state(state)
                after[row] = forward().means
                for parameter, origin in zip(shared, start, strict=True):
                    parameter.copy_(origin)
        return before, after


def _mean_over_processes(gradient: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
    if world_size() == 1:
        return gradient
    return [None if part is None else sum_over_processes(part) / world_size() for part in gradient]
