"""Numbers for every position of a row, such as the pixels of an image: absolute error."""

from __future__ import annotations

import torch
from torch import Tensor

from ...kind import WideKind, check_places
from ...metrics import DENSE_MAE


class Dense(WideKind):
    """Targets ``[..., L * C]``: C numbers (channels) for each of L positions in turn, or NaN; outputs alike."""

    name = "dense"
    about = "numbers for every position of a row, such as the pixels of an image"
    items = True
    numeric = True
    default_metric = "dense_mae"
    metrics = (DENSE_MAE,)
    of_one = "regression"

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

    def labels(self, predictions: Tensor) -> Tensor:
        return predictions

    def width(self, classes: int) -> int:
        return max(1, classes)

    def channels(self, classes: int) -> int:
        return max(1, classes)


KIND = Dense()
