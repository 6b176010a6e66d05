"""A class for every token: C logits each, cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import WideKind, check_places, without_nan
from .multiclass import Multiclass


class Tags(WideKind, Multiclass):
    """Targets ``[..., T]`` are class indices or NaN, outputs logits ``[..., T, C]``."""

    name = "tags"
    items = True
    default_metric = "span_f1"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        check_places(outputs.shape[-2], targets.shape[-1])
        losses = super().loss(outputs, without_nan(targets))
        return torch.where(torch.isnan(targets), 0.0, losses)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """That of :class:`Multiclass` for every token."""
        losses = super().soft_loss(outputs, without_nan(teacher), temperature)
        return torch.where(torch.isnan(teacher).any(-1), 0.0, losses)
