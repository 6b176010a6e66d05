"""Losses that a task may have instead of its kind's own; all are pure, one number per element."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

#: ``loss(outputs, targets)``, one number per element.
Loss = Callable[[Tensor, Tensor], Tensor]
#: Focusing parameter of :func:`focal`.
GAMMA = 2.0


def absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    """Absolute error in standardised units."""
    return (outputs - targets.to(outputs.dtype)).abs()


def huber(outputs: Tensor, targets: Tensor) -> Tensor:
    """Huber's loss with its bend at 1, in standardised units."""
    return huber_loss(outputs, targets.to(outputs.dtype), reduction="none")


def focal(cross_entropy: Loss) -> Loss:
    """``(1 - p)^2 (-log p)`` of the true class's probability p: what is easy counts less.

    Source:
        T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002, with gamma 2.
    """

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        entropy = cross_entropy(outputs, targets)
        return (1 - torch.exp(-entropy)) ** GAMMA * entropy

    return loss


def brier(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error of the probability of the positive class (Brier, 1950).

    Example:
        >>> brier(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0]))
        tensor([0.2500, 0.2500])
    """
    return (torch.sigmoid(outputs) - targets.to(outputs.dtype)) ** 2


def brier_of_classes(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error of the probabilities of all classes."""
    chances = outputs.softmax(-1)
    true = chances.gather(-1, targets.long()[..., None])[..., 0]
    return (chances**2).sum(-1) - 2 * true + 1
