"""Several yes-or-no labels that belong together: one logit each, binary cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import WideKind, without_nan
from .binary import Binary


class Multilabel(WideKind, Binary):
    """Targets 0, 1 or NaN and outputs are ``[..., L]``, one per label."""

    name = "multilabel"
    default_metric = "mean_roc_auc"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        losses = super().loss(outputs, without_nan(targets))
        return torch.where(torch.isnan(targets), 0.0, losses)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """That of :class:`Binary` for every label."""
        losses = super().soft_loss(outputs, without_nan(teacher), temperature)
        return torch.where(torch.isnan(teacher), 0.0, losses)
