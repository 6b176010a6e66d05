"""Adam on a small vector whose elements may sit out a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor

BETAS, EPS = (0.9, 0.999), 1e-8

Number = TypeVar("Number", Tensor, float)


def adam(
    value: Number,
    gradient: Number,
    moments: Iterable[Number],
    lr: float,
    *,
    weight_decay: float = 0.0,
) -> tuple[Number, tuple[Number, Number, Number]]:
    """One step of Adam with torch's betas and epsilon, of a number or of every element of a tensor.

    Args:
        value: What is learned.
        gradient: Its gradient.
        moments: First and second moment of the gradient and number of steps, zeros at the start.
        lr: Step size.
        weight_decay: Added to the gradient times the value, as in :class:`torch.optim.Adam`.

    Returns:
        The new value and moments.

    Source:
        D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv:1412.6980, Algorithm 1.
    """
    first, second, steps = moments
    if weight_decay:
        gradient = gradient + weight_decay * value
    first = BETAS[0] * first + (1 - BETAS[0]) * gradient
    second = BETAS[1] * second + (1 - BETAS[1]) * gradient * gradient
    steps = steps + 1
    size = lr * (first / (1 - BETAS[0] ** steps)) / ((second / (1 - BETAS[1] ** steps)) ** 0.5 + EPS)
    return value - size, (first, second, steps)


def adam_step(
    values: Tensor, gradient: Tensor, moments: Tensor, lr: float, *, where: Tensor, weight_decay: float = 0.0
) -> tuple[Tensor, Tensor]:
    """:func:`adam` for the elements in ``where``; the others keep value and state, whatever their gradient is.

    Args:
        values: ``[K]``.
        gradient: ``[K]``.
        moments: ``[3, K]``.
        lr: Step size.
        where: ``[K]`` bool.
        weight_decay: See :func:`adam`.
    """
    updated, state = adam(values, torch.where(where, gradient, 0.0), moments, lr, weight_decay=weight_decay)
    return torch.where(where, updated, values), torch.where(where, torch.stack(state), moments)
