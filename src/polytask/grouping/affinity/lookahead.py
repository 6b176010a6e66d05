"""What an update on one task does to the losses of all: the measurement behind task affinity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...files import rng_state, set_rng_state
from ...processes import sum_over_processes, world_size


def affinity_of_losses(before: Tensor, after: Tensor, eps: float = 1e-12) -> Tensor:
    """Inter-task affinity ``Z[i, j] = 1 - after[i, j] / before[j]``.

    Args:
        before: ``[K]`` losses at the present parameters.
        after: ``[K, K]`` losses (columns) after a step of the shared parameters on one task (rows).
        eps: A loss below this gives NaN: the ratio would explode.

    Returns:
        ``[K, K]``; positive where the step on task i helped task j.

    Source:
        Fifty et al., NeurIPS 2021, arXiv:2109.04617, Eq. 1.

    Example:
        >>> affinity_of_losses(torch.tensor([2., 1.]), torch.tensor([[1., 1.], [2., .5]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """
    return torch.where(before > eps, 1 - after / before, torch.nan)


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
    losses: Callable[[], tuple[Tensor, Tensor]],
    shared: Sequence[Tensor],
    learning_rate: float,
    weight_decay: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Losses before and after a gradient step of the shared parameters on each task alone.

    For every task i: ``theta_i = theta - learning_rate * (grad L_i + weight_decay * theta)``, heads fixed, then the
    losses of all tasks on the same batch. All forward passes use the same dropout masks and batch statistics;
    parameters, buffers and the random state are put back.

    Args:
        model: The network in the mode of the training forward.
        losses: Runs the forward pass; ``[K]`` differentiable losses and the same as means over all processes.
        shared: The parameters that move.
        learning_rate: Step size.
        weight_decay: See above.

    Returns:
        ``before [K]`` and ``after [K, K]``, row i after the step on task i.

    Example (A quadratic; the step on task 0 halves its distance):
        >>> theta = nn.Parameter(torch.tensor([1.0]))
        >>> model = nn.ParameterList([theta])
        >>> def losses():
        ...     values = torch.stack([(theta[0] - 0) ** 2, (theta[0] - 3) ** 2])
        ...     return values, values.detach()
        >>> before, after = lookahead_losses(model, losses, [theta], learning_rate=0.25)
        >>> before, after
        (tensor([1., 4.]), tensor([[0.2500, 6.2500],
                [4.0000, 1.0000]]))
    """
    with untouched(model) as state:
        values, before = losses()
        last = len(values) - 1
        gradients = [
            torch.autograd.grad(value, shared, retain_graph=task < last, allow_unused=True)
            for task, value in enumerate(values)
        ]
        start = [parameter.detach().clone() for parameter in shared]
        after = []
        for gradient in gradients:
            with torch.no_grad():
                for parameter, origin, part in zip(shared, start, gradient, strict=True):
                    if part is not None:
                        step = sum_over_processes(part) / world_size() + weight_decay * origin
                        parameter.copy_(origin - learning_rate * step)
                set_rng_state(state)
                after.append(losses()[1])
        return before, torch.stack(after)
