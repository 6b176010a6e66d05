"""Adam on a small vector whose elements may sit out a step."""

from __future__ import annotations

import torch
from torch import Tensor

BETAS, EPS = (0.9, 0.999), 1e-8


def adam_step(
    values: Tensor,
    gradient: Tensor,
    moments: Tensor,
    lr: float,
    *,
    where: Tensor,
    weight_decay: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """One step of Adam with torch's betas and epsilon for the elements in ``where``; the others keep value and state.

    Args:
        values: ``[K]``.
        gradient: ``[K]``; may be anything outside ``where``.
        moments: ``[3, K]``: first and second moment and number of steps of every element, zeros at the start.
        lr: Step size.
        where: ``[K]`` bool.
        weight_decay: Added to the gradient times the value, as in :class:`torch.optim.Adam`.

    Returns:
        New values and moments.

    Source:
        D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv:1412.6980, Algorithm 1.
    """
    gradient = torch.where(where, gradient + weight_decay * values, 0.0)
    first = BETAS[0] * moments[0] + (1 - BETAS[0]) * gradient
    second = BETAS[1] * moments[1] + (1 - BETAS[1]) * gradient**2
    steps = moments[2] + 1
    size = lr * (first / (1 - BETAS[0] ** steps)) / ((second / (1 - BETAS[1] ** steps)).sqrt() + EPS)
    updated = torch.stack([first, second, steps])
    return torch.where(where, values - size, values), torch.where(where, updated, moments)
