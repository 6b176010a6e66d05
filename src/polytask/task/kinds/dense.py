"""Numbers for every place of a row, such as the pixels of a picture: absolute error."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import WideKind, check_places


class Dense(WideKind):
    """Targets ``[..., L * C]``: C numbers (channels) for each of L places, place by place, or NaN; outputs alike."""

    name = "dense"
    items = True
    default_metric = "dense_mae"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        check_places(outputs.shape[-1], targets.shape[-1])
        known = ~torch.isnan(targets)
        return torch.where(known, (outputs - torch.where(known, targets, 0.0)).abs(), 0.0)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """Distance to the teacher's numbers; a temperature has no meaning for them."""
        return self.loss(outputs, teacher)

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return predictions

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs
