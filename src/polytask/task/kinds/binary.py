"""Yes or no: one logit, binary cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from .base import Kind


class Binary(Kind):
    """Targets 0 or 1, outputs are logits of the same shape."""

    name = "binary"
    default_metric = "roc_auc"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype), reduction="none")

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """``T^2 KL(sigma(teacher/T) || sigma(outputs/T))``.

        Cross-entropy minus the teacher's entropy: its minimum is 0, so loss-ratio balancers see no floor.
        """
        if temperature != 1.0:
            return temperature**2 * self.soft_loss(outputs / temperature, teacher / temperature)
        target = torch.sigmoid(teacher)
        cross_entropy = binary_cross_entropy_with_logits(outputs, target, reduction="none")
        return cross_entropy - binary_cross_entropy_with_logits(teacher, target, reduction="none")

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return torch.logit(predictions, eps=1e-7)

    def predict(self, outputs: Tensor) -> Tensor:
        return torch.sigmoid(outputs)
