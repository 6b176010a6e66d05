"""Nash-MTL: the bargaining solution among the tasks."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from ..aggregator import Aggregator
from ..extras import torchjd_aggregation
from ..gradients import matrix_root, of_unit_rows

#: ``G w * w`` is all ones at the solution; further away the solver has failed.
RESIDUAL = 1e-2


class NashMTL(Aggregator):
    """The Nash bargaining solution: the update that maximises the product of the tasks' gains.

    ``w > 0`` with ``G w = 1 / w`` for the Gramian G; the update's norm is at most ``max_norm``. It does not depend on
    the scale of the gradients.

    Args:
        max_norm: Maximum norm of the update; 1 in the paper, 0 for no limit.
        optim_niter: Maximum number of iterations of the solver; 20 in the official code.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and up to
        ``optim_niter`` convex programs (ECOS). Use ``every``.

    When to choose it:
        Tasks of different scale and equal importance; with small K or ``every``.

    Deviations:
        Where the solver fails, the same equation is solved by least squares, not answered with earlier weights as in
        the official code. The last weights, from which the solver starts, are kept per task while tasks are absent.

    Source:
        A. Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022, arXiv:2202.01017, Algorithm 1. Through
        torchjd.
    """

    name = "nash_mtl"
    extra = "nash"

    def __init__(
        self,
        *,
        max_norm: float = 1.0,
        optim_niter: int = 20,
        gradients: str = "exact",
        every: int = 1,
        head_weighting: bool = False,
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self._check_range(max_norm=(max_norm, 0, float("inf")), optim_niter=(optim_niter, 1, float("inf")))
        self.max_norm, self.optim_niter = max_norm, optim_niter
        self._solvers: dict[int, Any] = {}
        self.previous: Tensor
        self.register_buffer("previous", torch.ones(0))

    @property
    def degree(self) -> float:
        return 0.0

    def _start(self, tasks: int) -> None:
        super()._start(tasks)
        self.previous = torch.ones(tasks, dtype=torch.float64)

    def find(self, gramian: Tensor, present: Tensor) -> Tensor:
        weights = super().find(gramian, present)
        if self.max_norm:
            weights = weights * (self.max_norm / (weights @ gramian @ weights).clamp_min(1e-30).sqrt()).clamp_max(1)
        return weights

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        if len(present) == 1:  # torchjd's solver wants two
            return torch.ones_like(gramian[0])
        unit, norms = of_unit_rows(gramian)
        root = matrix_root(unit)
        weighting = self._solver(len(present))
        weighting.prvs_alpha = self.previous[present].cpu().numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # cvxpy, on a parametrisation inside torchjd
            weights = weighting(root)
        alpha = torch.as_tensor(weighting.prvs_alpha).to(self.previous)
        self.previous = self.previous.index_copy(0, present, alpha)
        weights = weights.to(gramian)
        if ((unit @ weights) * weights - 1).abs().max() > RESIDUAL:
            # ECOS failed, which torchjd hides by weights from earlier; FairGrad(1) is the same equation.
            torchjd = torchjd_aggregation(self.name, self.extra)
            weights = torchjd.FairGradWeighting(alpha=1.0)(unit)
            self.previous = self.previous.index_copy(0, present, weights.to(self.previous))
        return weights / norms

    def _solver(self, tasks: int) -> Any:
        if tasks not in self._solvers:
            torchjd = torchjd_aggregation(self.name, self.extra)
            self._solvers[tasks] = torchjd.NashMTL(tasks, 0.0, 1, self.optim_niter).weighting
        return self._solvers[tasks]

    def _forget(self, task: int) -> None:
        self.previous[task] = 1
