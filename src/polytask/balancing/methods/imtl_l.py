"""IMTL-L: learned scales that bring all losses to 1."""

from __future__ import annotations

import torch
from torch import Tensor

from ..adam import adam_step
from ..balancer import Balancer
from ..needs import Needs
from ..task_losses import TaskLosses


class IMTLL(Balancer):
    """Learned scales that bring all scaled losses to 1.

    ``total = sum_t exp(s_t) L_t - s_t`` with ``s_t`` learned: twice uncertainty weighting at ``-s``.

    Args:
        lr: Step size of s, which has a separate Adam, without weight decay; 0.01 is ours.

    Cost:
        None.

    When to choose it:
        As uncertainty weighting; together with ``imtl_g`` on the gradients it makes the paper's IMTL.

    Source:
        L. Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021, https://openreview.net/forum?id=IMPnRXEWpvr.
    """

    name = "imtl_l"

    def __init__(self, *, lr: float = 0.01) -> None:
        super().__init__()
        self._check_range(lr=(lr, 0, float("inf")))
        self.lr = lr
        self.log_scale: Tensor
        self.moments: Tensor
        self.register_buffer("log_scale", torch.zeros(0))
        self.register_buffer("moments", torch.zeros(0))

    @property
    def needs(self) -> Needs:
        return Needs(losses="positive")

    def _start(self, tasks: int) -> None:
        self.log_scale = torch.zeros(tasks)
        self.moments = torch.zeros(3, tasks)

    def weights(self, losses: TaskLosses) -> Tensor:
        weights = torch.exp(self.log_scale)
        gradient = weights * losses.means - 1
        self.log_scale, self.moments = adam_step(self.log_scale, gradient, self.moments, self.lr, where=losses.usable)
        return weights

    def _forget(self, task: int) -> None:
        self.log_scale[task] = 0
        self.moments[:, task] = 0
