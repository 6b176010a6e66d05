"""Losses that a task may have instead of its kind's own; all are pure, one number per element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

#: ``loss(outputs, targets)``, one number per element.
Loss = Callable[[Tensor, Tensor], Tensor]
#: Focusing parameter of the focal loss.
GAMMA = 2.0


def absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    """Absolute error in standardised units."""
    return (outputs - targets.to(outputs.dtype)).abs()


def huber(outputs: Tensor, targets: Tensor) -> Tensor:
    """Huber's loss with its bend at 1, in standardised units."""
    return huber_loss(outputs, targets.to(outputs.dtype), reduction="none")


@dataclass(frozen=True)
class Focal:
    """``(1 - p)^gamma (-log p)`` of the true class's probability p: what is easy counts less.

    Source:
        T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002, with gamma 2.

    Attributes:
        cross_entropy: ``-log p``.
        gamma: Focusing parameter, at least 0; 0 is the cross-entropy.
    """

    cross_entropy: Loss
    gamma: float = GAMMA

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        entropy = self.cross_entropy(outputs, targets)
        easy = (-torch.expm1(-entropy)).clamp_min(1e-12)  # the power of 0 has no gradient
        return easy**self.gamma * entropy


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
