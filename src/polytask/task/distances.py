"""Other distances of a student's outputs to a teacher's than the kind's own; all are pure, one number per element."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss, log_softmax

#: ``distance(outputs, teacher, temperature)``.
Distance = Callable[[Tensor, Tensor, float], Tensor]


def binary_cross_entropy(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``T^2`` times the cross-entropy with soft targets: the divergence plus the teacher's entropy."""
    target = torch.sigmoid(teacher / temperature)
    return temperature**2 * binary_cross_entropy_with_logits(outputs / temperature, target, reduction="none")


def cross_entropy(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The same for logits ``[..., C]``.

    Example:
        >>> cross_entropy(torch.tensor([1.0, 0.5, 0.0]), torch.tensor([2.0, 0.0, -1.0]), 1.0)
        tensor(0.7794)
    """
    target = (teacher / temperature).softmax(-1)
    return -(temperature**2) * (target * log_softmax(outputs / temperature, dim=-1)).sum(-1)


def squared_logits(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Squared distance of the logits; a temperature does not enter."""
    return (outputs - teacher) ** 2


def mean_squared_logits(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The mean of it over ``[..., C]`` logits."""
    return ((outputs - teacher) ** 2).mean(-1)


def absolute(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Absolute distance of numbers."""
    return (outputs - teacher).abs()


def huber(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Huber's loss with its bend at 1, in standardised units."""
    return huber_loss(outputs, teacher, reduction="none")
