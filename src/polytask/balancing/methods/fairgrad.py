"""FairGrad: alpha-fair gains of the tasks."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..aggregator import Aggregator
from ..gradients import of_unit_rows


class FairGrad(Aggregator):
    """The update that divides progress among the tasks by alpha-fairness.

    ``w >= 0`` with ``G w = w^(-1 / alpha)`` for the Gramian G: alpha = 0 is the mean, 1 is Nash-MTL, towards infinity
    the worst task decides.

    Args:
        alpha: Fairness; 1 as in LibMTL.
        max_iters: Maximum number of iterations of least squares; scipy's default.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and bounded least
        squares (scipy).

    When to choose it:
        As ``nash_mtl``, with a choice of fairness and a lighter solver.

    Source:
        H. Ban, K. Ji, "Fair Resource Allocation in Multi-Task Learning", ICML 2024, arXiv:2402.15638. Through torchjd.
    """

    name = "fairgrad"

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        max_iters: int | None = None,
        gradients: str = "exact",
        every: int = 1,
        head_weighting: bool = False,
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self._check_range(alpha=(alpha, 0, float("inf")))
        self.alpha, self.max_iters = alpha, max_iters

    @property
    def degree(self) -> float:
        return 1 - 2 * self.alpha / (1 + self.alpha)

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        if self.alpha != 1:
            return super().solve(gramian, present)
        unit, norms = of_unit_rows(gramian)
        return super().solve(unit, present) / norms

    def _make(self, torchjd: Any) -> Any:
        return torchjd.FairGradWeighting(alpha=self.alpha, max_iters=self.max_iters)
