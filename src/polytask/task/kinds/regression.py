"""A number: squared error in standardised units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from ..distances import Distance
from ..distances import absolute as soft_absolute
from ..distances import huber as soft_huber
from ..kind import NumberKind
from ..labels import Labels
from ..losses import Loss, absolute, huber
from ..metrics import MAE, PEARSON, R2, RMSE, SPEARMAN


def _loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets.to(outputs.dtype)) ** 2


class Regression(NumberKind):
    """Targets and outputs are standardised numbers of the same shape."""

    name = "regression"
    about = "a number"
    transformable = True
    calibrated = True
    default_metric = "r2"
    metrics = (R2, SPEARMAN, PEARSON, RMSE, MAE)
    losses: ClassVar[Mapping[str, Loss]] = {"squared": _loss, "absolute": absolute, "huber": huber}
    soft_losses: ClassVar[Mapping[str, Distance]] = {"l1": soft_absolute, "huber": soft_huber}
    constant_loss = 1.0
    trees = ("HistGradientBoostingRegressor", {})

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return _loss(outputs, targets)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """Squared distance to the teacher's prediction; a temperature has no meaning for numbers."""
        return (outputs - teacher) ** 2

    def linear_model(self, strength: float, passes: int) -> Any:
        from sklearn.linear_model import Ridge  # takes a moment to load

        return Ridge(alpha=1 / strength, solver="lsqr", max_iter=passes)

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return predictions

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs

    def units(self, values: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation."""
        return float(values.mean()), float(values.std())

    def claims(self, labels: Labels) -> bool:
        """Numbers that are not taken for classes."""
        return labels.values is not None and len(labels.names) != 2 and not labels.consecutive


KIND = Regression()
