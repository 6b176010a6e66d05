"""IMTL: learned scales for the losses, equal projections for their gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..adam import adam_step
from ..gradient_balancer import StepTensors
from ..needs import Needs
from ..task_losses import TaskLosses
from .imtl_g import IMTLG


class IMTL(IMTLG):
    """Learned scales bring all losses to 1, and the shared layers get equal projections onto their gradients.

    ``imtl_l`` and ``imtl_g`` together: heads get ``exp(s_t) grad L_t`` with ``s_t`` learned on ``exp(s_t) L_t - s_t``;
    the shared layers get ``sum_t w_t exp(s_t) grad L_t`` with the weights w of IMTL-G for the scaled losses.

    Args:
        lr: Step size of s, which has a separate Adam; 0.01 is ours.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.

    Cost:
        That of ``imtl_g``.

    When to choose it:
        Losses and gradients both of different scale; unstable where gradients nearly cancel.

    Source:
        L. Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021, https://openreview.net/forum?id=IMPnRXEWpvr,
        Algorithm 1. IMTL-G through torchjd.
    """

    name = "imtl"

    def __init__(self, *, lr: float = 0.01, gradients: str = "exact", every: int = 1) -> None:
        super().__init__(gradients=gradients, every=every)
        self._check_range(lr=(lr, 0, float("inf")))
        self.lr = lr
        self.log_scale: Tensor
        self.moments: Tensor
        self.register_buffer("log_scale", torch.zeros(0))
        self.register_buffer("moments", torch.zeros(0))

    @property
    def needs(self) -> Needs:
        return replace(super().needs, losses="positive")

    def _start(self, tasks: int) -> None:
        super()._start(tasks)
        self.log_scale = torch.zeros(tasks)
        self.moments = torch.zeros(3, tasks)

    def find(self, gramian: Tensor, present: Tensor) -> Tensor:
        scale = self.log_scale[present].exp().to(gramian.dtype)
        return super().find(gramian * scale * scale[:, None], present) * scale

    def _update(self, step: StepTensors, backward: Callable[[Tensor], object], *, new: bool) -> Tensor:
        weights = super()._update(step, backward, new=new)
        if not weights.isnan().any():
            gradient = self.log_scale.exp() * step.losses.means - 1
            self.log_scale, self.moments = adam_step(
                self.log_scale, gradient, self.moments, self.lr, where=step.losses.usable
            )
        return weights

    def _head_weights(self, weights: Tensor, losses: TaskLosses) -> Tensor:
        return super()._head_weights(weights, losses) * torch.where(self.switched, 1.0, self.log_scale.exp())

    def _forget(self, task: int) -> None:
        self.log_scale[task] = 0
        self.moments[:, task] = 0
