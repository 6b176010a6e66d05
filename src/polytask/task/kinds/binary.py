"""Yes or no: one logit, binary cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ...errors import UserError
from ..distances import Distance, binary_cross_entropy, squared_logits
from ..kind import ClassKind, Plot
from ..labels import Labels, negative_first
from ..losses import Focal, Loss, brier
from ..metrics import (
    ACCURACY,
    AVERAGE_PRECISION,
    BALANCED_ACCURACY,
    BRIER,
    F1,
    LOG_LOSS,
    MACRO_F1,
    MATTHEWS,
    PRECISION,
    RECALL,
    ROC_AUC,
)
from ..plots.classes import calibration, confusion, gains, precision_recall, roc

if TYPE_CHECKING:
    from ..task import Task


def _loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype), reduction="none")


class Binary(ClassKind):
    """Targets 0 or 1, outputs are logits of the same shape."""

    name = "binary"
    about = "one of two values"
    logits = True
    calibrated = True
    thresholded = True
    most_classes = 2
    default_classes = ("0", "1")
    default_metric = "roc_auc"
    metrics = (
        ROC_AUC,
        AVERAGE_PRECISION,
        ACCURACY,
        BALANCED_ACCURACY,
        MACRO_F1,
        F1,
        PRECISION,
        RECALL,
        MATTHEWS,
        LOG_LOSS,
        BRIER,
    )
    losses: ClassVar[Mapping[str, Loss]] = {"cross_entropy": _loss, "focal": Focal(_loss), "brier": brier}
    soft_losses: ClassVar[Mapping[str, Distance]] = {"cross_entropy": binary_cross_entropy, "logits": squared_logits}
    constant_loss = 0.7

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return _loss(outputs, targets)

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

    def labels(self, predictions: Tensor) -> Tensor:
        if predictions.ndim == 2:  # shares of both classes, as a constant prediction of any kind of classes
            return predictions.argmax(-1)
        return (predictions > 0.5).long()

    def shares(self, predictions: Tensor) -> Tensor:
        return torch.stack([1 - predictions, predictions], 1)

    def expected(self, predictions: Tensor) -> Tensor | None:
        return predictions

    def plots(self, task: Task, predictions: Tensor, targets: Tensor, units: Tensor | None = None) -> list[Plot]:
        at = task.threshold
        drawn = (
            roc(predictions, targets, at),
            precision_recall(predictions, targets, at),
            gains(predictions, targets),
            calibration(predictions, targets, units=units),
            confusion(targets, (predictions > at).long(), task.classes),
        )
        return [plot for plot in drawn if plot is not None]

    def exported_about(self, task: Task) -> dict[str, Any]:
        return super().exported_about(task) | {"threshold": task.threshold}

    def claims(self, labels: Labels) -> bool:
        """Two distinct values."""
        return len(labels.names) == 2

    def arrange(self, labels: Labels, at: str) -> Labels:
        """0, false, no, ... is the negative one, else the first in sorted order."""
        if len(labels.names) != 2:
            shown = ", ".join(labels.names[:5]) + (", ..." if len(labels.names) > 5 else "")
            raise UserError(
                f"{at}: stated kind is binary, but it has {len(labels.names)} distinct values ({shown}); "
                "expected 2. State multiclass or regression, or correct the cells"
            )
        return negative_first(labels)

    def reason(self, labels: Labels) -> str:
        return f"two values: {labels.names[0]} (negative), {labels.names[1]} (positive)"


KIND = Binary()
