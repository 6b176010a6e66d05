"""One of C classes: C logits, cross-entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from .base import Kind


class Multiclass(Kind):
    """Targets are class indices ``[...]``, outputs logits ``[..., C]``."""

    name = "multiclass"
    vector_output = True
    default_metric = "accuracy"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        flat = cross_entropy(outputs.flatten(0, -2), targets.long().flatten(), reduction="none")
        return flat.view(targets.shape)

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
