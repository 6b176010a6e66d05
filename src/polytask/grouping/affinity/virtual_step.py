"""Where a step on one task alone would take the shared parameters; nothing real is touched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, get_args

from torch import Tensor, nn
from torch.optim import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, Optimizer, RAdam, RMSprop

from ...config.affinity import Lookahead
from ...errors import UserError, did_you_mean

#: ``step(gradients) -> parameters``; a gradient of None leaves its parameter where it is.
VirtualStep = Callable[[Sequence[Tensor | None]], list[Tensor]]

LOOKAHEADS: tuple[str, ...] = get_args(Lookahead)
#: Optimisers whose step of a parameter depends on nothing but the parameter's own gradient, state and group.
PER_PARAMETER = (SGD, Adam, AdamW, NAdam, RAdam, Adamax, Adagrad, Adadelta, RMSprop)


def virtual_step(lookahead: str, optimizer: Optimizer, shared: Sequence[Tensor]) -> VirtualStep:
    """The step that a lookahead takes from the present parameters.

    Args:
        lookahead: ``sgd``: plain gradient descent with the learning rate and weight decay of each parameter's group;
            ``momentum``: that of an SGD with its momentum buffers; ``optimizer``: the optimiser's own step, whichever
            of torch's it is, from its present state.
        optimizer: The training's; it is only read.
        shared: The parameters that move.

    Raises:
        UserError: An unknown lookahead, or one that does not fit the optimiser.

    Example (Adam's first step has the length of the learning rate):
        >>> import torch
        >>> weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> step = virtual_step("optimizer", Adam([weight], lr=0.1), [weight])
        >>> step([torch.tensor([7.0, -0.5])])
        [tensor([0.9000, 2.1000])]
        >>> weight.data
        tensor([1., 2.])
    """
    if lookahead not in LOOKAHEADS:
        raise UserError(f"affinity: lookahead {lookahead!r} is not known; {did_you_mean(lookahead, LOOKAHEADS)}")
    kind = getattr(optimizer, "steps_as", type(optimizer))  # ours are torch's without their wrappers
    if lookahead == "momentum" and not (kind is SGD and all(g["momentum"] for g in optimizer.param_groups)):
        raise UserError(
            "affinity: lookahead 'momentum' follows an SGD with momentum, but training uses "
            f"{kind.__name__}; choose lookahead 'optimizer' or 'sgd'"
        )
    if lookahead == "optimizer" and kind not in PER_PARAMETER:
        raise UserError(
            f"affinity: lookahead 'optimizer' can follow {', '.join(c.__name__ for c in PER_PARAMETER)}, "
            f"but training uses {kind.__name__}; choose lookahead 'sgd'"
        )
    if lookahead == "sgd":
        return lambda gradients: _descend(optimizer, shared, gradients)
    return lambda gradients: _follow(optimizer, shared, gradients)


def _descend(optimizer: Optimizer, shared: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    """``theta - lr (g + weight_decay theta)``."""
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    moved = []
    for parameter, gradient in zip(shared, gradients, strict=True):
        origin, group = parameter.detach(), groups[id(parameter)]
        if gradient is None:
            moved.append(origin)
        else:
            moved.append(origin - group["lr"] * (gradient + group.get("weight_decay", 0.0) * origin))
    return moved


def _follow(optimizer: Optimizer, shared: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    """A twin of the optimiser, of the same kind, settings and state, takes the step on copies of the parameters."""
    twins = {id(parameter): nn.Parameter(parameter.detach().clone()) for parameter in shared}
    groups = [
        {**group, "params": [twins[id(p)] for p in group["params"] if id(p) in twins]}
        for group in optimizer.param_groups
    ]
    kind: Any = type(optimizer)
    twin: Optimizer = kind([group for group in groups if group["params"]])
    for parameter, gradient in zip(shared, gradients, strict=True):
        copied = twins[id(parameter)]
        if state := optimizer.state.get(parameter):
            twin.state[copied] = copy.deepcopy(state)
        copied.grad = None if gradient is None else gradient.to(copied.dtype)
    twin.step()
    return [twins[id(parameter)].detach() for parameter in shared]


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
