"""Where a step on one task alone would take the shared parameters; nothing real is touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.optim import Optimizer

from ...errors import UserError

#: ``step(gradients) -> parameters``; a gradient of None leaves its parameter where it is.
VirtualStep = Callable[[Sequence[Tensor | None]], list[Tensor]]


def virtual_step(optimizer: Optimizer, shared: Sequence[Tensor]) -> VirtualStep:
    """The step of plain gradient descent from the present parameters, ``theta - lr (g + weight_decay theta)``.

    Args:
        optimizer: The training's, for the learning rate and weight decay of each parameter's group; it is only read.
        shared: The parameters that move.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> step = virtual_step(torch.optim.Adam([weight], lr=0.1), [weight])
        >>> step([torch.tensor([7.0, -0.5])])
        [tensor([0.3000, 2.0500])]
        >>> weight.data
        tensor([1., 2.])
    """
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}

    def step(gradients: Sequence[Tensor | None]) -> list[Tensor]:
        moved = []
        for parameter, gradient in zip(shared, gradients, strict=True):
            origin, group = parameter.detach(), groups[id(parameter)]
            if gradient is None:
                moved.append(origin)
            else:
                moved.append(origin - group["lr"] * (gradient + group.get("weight_decay", 0.0) * origin))
        return moved

    return step


def learning_rates(optimizer: Optimizer, parameters: Sequence[Tensor]) -> list[float]:
    """The learning rate of every parameter."""
    of_group = {id(p): float(group["lr"]) for group in optimizer.param_groups for p in group["params"]}
    return [of_group[id(parameter)] for parameter in parameters]


def shared_learning_rate(optimizer: Optimizer, shared: Callable[[], Sequence[Tensor]]) -> float:
    """The learning rate of the shared parameters, which are asked for only if they can differ in it.

    Raises:
        UserError: Their groups differ in it.
    """
    if len(optimizer.param_groups) == 1:
        return float(optimizer.param_groups[0]["lr"])
    rates = set(learning_rates(optimizer, shared()))
    if len(rates) != 1:
        raise UserError(
            f"affinity: this estimator needs one learning rate for all shared parameters, found {sorted(rates)}; "
            "choose estimator gramian or lookahead"
        )
    return rates.pop()
