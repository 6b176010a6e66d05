"""Aligned-MTL: gradients made orthogonal and of one length."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..aggregator import Aggregator


class AlignedMTL(Aggregator):
    """The gradients are replaced by the nearest orthogonal gradients of equal length, then averaged.

    ``w = sqrt(lambda_min) V Lambda^(-1/2) V^T 1 / K`` with the eigenvectors V and eigenvalues Lambda of the Gramian.

    Args:
        scale: ``sum`` (LibMTL) or ``mean`` (torchjd) of the aligned gradients.
        scale_mode: Their length from the eigenvalues: ``min`` (paper), ``median`` or ``rmse``.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and eigenvectors
        of a K x K matrix.

    When to choose it:
        Dominating and conflicting gradients, few tasks; with many tasks the smallest eigenvalue makes steps tiny.

    Source:
        D. Senushkin et al., "Independent Component Alignment for Multi-Task Learning", CVPR 2023, arXiv:2305.19000,
        Algorithm 1. Through torchjd.
    """

    name = "aligned_mtl"

    def __init__(
        self,
        *,
        scale: str = "mean",
        scale_mode: str = "min",
        gradients: str = "exact",
        every: int = 1,
        head_weighting: bool = False,
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self._check(scale=(scale, ("mean", "sum")), scale_mode=(scale_mode, ("min", "median", "rmse")))
        self.scale, self.scale_mode = scale, scale_mode

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        weights = self._weighting(gramian)
        return weights * len(present) if self.scale == "sum" else weights

    def _make(self, torchjd: Any) -> Any:
        return torchjd.AlignedMTLWeighting(scale_mode=self.scale_mode)
