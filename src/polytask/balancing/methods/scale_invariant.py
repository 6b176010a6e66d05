"""The sum of the logarithms of the losses."""

from __future__ import annotations

from torch import Tensor

from ..balancer import Balancer
from ..needs import Needs
from ..task_losses import TaskLosses


def scale_invariant_weights(losses: Tensor, eps: float = 1e-8) -> Tensor:
    """``1 / L``, the weights whose gradient is that of ``sum log L``.

    Args:
        losses: ``[K]``, at least 0.
        eps: Added, so that a loss of 0 gives a finite weight.

    Example:
        >>> import torch
        >>> scale_invariant_weights(torch.tensor([.5, 2., 1.]))
        tensor([2.0000, 0.5000, 1.0000])
    """
    return 1 / (losses.clamp_min(0) + eps)


class ScaleInvariant(Balancer):
    """Sum of the logarithms of the losses: multiplying a loss by a number changes nothing.

    ``total = sum_t log L_t``, that is ``w_t = 1 / L_t``.

    Args:
        eps: Added to a loss before the logarithm.

    Cost:
        None.

    When to choose it:
        Losses of very different and unknown scales, all of them positive and none that can reach 0: as a loss
        approaches 0 its weight grows without bound.

    Source:
        Named SI in A. Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022, arXiv:2202.01017.
    """

    name = "scale_invariant"

    def __init__(self, *, eps: float = 1e-8) -> None:
        super().__init__()
        self._check_range(eps=(eps, 0, 1))
        self.eps = eps

    @property
    def needs(self) -> Needs:
        return Needs(losses="positive")

    def weights(self, losses: TaskLosses) -> Tensor:
        return scale_invariant_weights(losses.means, self.eps)
