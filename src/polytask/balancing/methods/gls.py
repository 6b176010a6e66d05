"""The geometric mean of the losses."""

from __future__ import annotations

import torch
from torch import Tensor

from ..balancer import Balancer
from ..needs import Needs
from ..task_losses import TaskLosses


def gls_weights(losses: Tensor, eps: float = 1e-8) -> Tensor:
    """``(prod L)^(1/K) / (K L_t)``, the gradient of the geometric mean by each loss.

    Args:
        losses: ``[K]``, at least 0; below ``eps`` they count as ``eps``.

    Example:
        >>> gls_weights(torch.tensor([.5, 2., 1.]))
        tensor([0.6667, 0.1667, 0.3333])
    """
    logarithm = losses.clamp_min(eps).log()
    return torch.exp(logarithm.mean() - logarithm) / len(losses)


class GLS(Balancer):
    """Geometric mean of the losses: relative progress counts, and scales only set a common step length.

    ``total = (prod_t L_t)^(1/K)`` over the tasks that are present, that is ``w_t = total / (K L_t)``.

    Args:
        eps: A loss below counts as ``eps``, so that a loss of 0 gives no NaN.

    Cost:
        None.

    When to choose it:
        Losses of different scales, all positive; the whole step becomes small when any task is nearly solved.

    Source:
        S. Chennupati et al., "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task
        Learning", CVPR Workshops 2019, arXiv:1904.08492. Computed with logarithms: products of raw losses overflow.
    """

    name = "gls"

    def __init__(self, *, eps: float = 1e-8) -> None:
        super().__init__()
        self._check_range(eps=(eps, 1e-30, 1))
        self.eps = eps

    @property
    def needs(self) -> Needs:
        return Needs(losses="positive")

    def weights(self, losses: TaskLosses) -> Tensor:
        weights = torch.zeros_like(losses.means)
        weights[losses.present] = gls_weights(losses.means[losses.present], self.eps)
        return weights
