"""A number: squared error in standardised units."""

from __future__ import annotations

from torch import Tensor

from .base import Kind


class Regression(Kind):
    """Targets and outputs are standardised numbers of the same shape."""

    name = "regression"
    default_metric = "r2"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets.to(outputs.dtype)) ** 2

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """Squared distance to the teacher's prediction; a temperature has no meaning for numbers."""
        return (outputs - teacher) ** 2

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return predictions

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs
