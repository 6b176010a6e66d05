"""One of C classes: C logits, cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from ..distances import Distance, mean_squared_logits
from ..distances import cross_entropy as soft_cross_entropy
from ..kind import ClassKind
from ..labels import Labels, check_single_rows, negative_first
from ..losses import Focal, Loss, brier_of_classes
from ..metrics import ACCURACY, BALANCED_ACCURACY, BRIER, LOG_LOSS, MACRO_F1, MATTHEWS


def _loss(outputs: Tensor, targets: Tensor) -> Tensor:
    flat = cross_entropy(outputs.flatten(0, -2), targets.long().flatten(), reduction="none")
    return flat.view(targets.shape)


class Multiclass(ClassKind):
    """Targets are class indices ``[...]``, outputs logits ``[..., C]``."""

    name = "multiclass"
    about = "one of several"
    logits = True
    calibrated = True
    vector_output = True
    rare = ("drop", "merge")
    default_metric = "accuracy"
    metrics = (ACCURACY, BALANCED_ACCURACY, MACRO_F1, MATTHEWS, LOG_LOSS, BRIER)
    losses: ClassVar[Mapping[str, Loss]] = {"cross_entropy": _loss, "focal": Focal(_loss), "brier": brier_of_classes}
    soft_losses: ClassVar[Mapping[str, Distance]] = {"cross_entropy": soft_cross_entropy, "logits": mean_squared_logits}
    constant_loss = 7.0

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return _loss(outputs, targets)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """``T^2 KL(softmax(teacher/T) || softmax(outputs/T))`` (Hinton et al. 2015), minimum 0."""
        if temperature != 1.0:
            return temperature**2 * self.soft_loss(outputs / temperature, teacher / temperature)
        student, target = log_softmax(outputs, dim=-1), log_softmax(teacher, dim=-1)
        return (target.exp() * (target - student)).sum(-1)

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return predictions.clamp_min(1e-7).log()

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(-1)

    def claims(self, labels: Labels) -> bool:
        """Words, or at most 20 distinct whole numbers that are exactly 0..k or 1..k; not two of them."""
        return len(labels.names) != 2 and (labels.values is None or labels.consecutive)

    def arrange(self, labels: Labels, at: str) -> Labels:
        check_single_rows(labels, at)
        return negative_first(labels)

    def reason(self, labels: Labels) -> str:
        if len(labels.names) == 2:
            return f"two values: {labels.names[0]} (negative), {labels.names[1]} (positive)"
        return labels.described


KIND = Multiclass()
