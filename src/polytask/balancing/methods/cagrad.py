"""CAGrad: close to the mean gradient, best for the worst task."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..aggregator import Aggregator


class CAGrad(Aggregator):
    """Within a ball around the mean gradient, the update that is best for the worst task.

    ``max_d min_t g_t . d`` with ``|d - g_0| <= c |g_0|``, ``g_0 = mean_t g_t``; c = 0 is the mean, large c is MGDA.

    Args:
        c: Radius, from 0; 0.4 in the official code, 0.5 in LibMTL.
        rescale: Divide the update by ``1 + c^2``, as LibMTL and the official code do.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and a cone program
        (CLARABEL).

    When to choose it:
        When the worst task counts and its gain should not cost the mean much.

    Deviations:
        Solved by CLARABEL in torchjd, by scipy in the official code, which also multiplies by K.

    Source:
        B. Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021, arXiv:2110.14048,
        Algorithm 1. Through torchjd.
    """

    name = "cagrad"
    extra = "cagrad"

    def __init__(
        self,
        c: float = 0.4,
        *,
        rescale: bool = False,
        gradients: str = "exact",
        every: int = 1,
        head_weighting: bool = False,
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self._check_range(c=(c, 0, float("inf")))
        self.c, self.rescale = c, rescale

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        weights = self._weighting(gramian)
        return weights / (1 + self.c**2) if self.rescale else weights

    def _make(self, torchjd: Any) -> Any:
        return torchjd.CAGradWeighting(c=self.c, norm_eps=1e-12)
