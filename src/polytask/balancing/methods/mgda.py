"""MGDA: the shortest vector in the hull of the gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..aggregator import Aggregator
from ..needs import Needs

NORMALISE = ("none", "norm", "loss", "both")


class MGDA(Aggregator):
    """The shortest convex combination of the gradients: to first order, no task's loss goes up.

    ``update = J^T w``, ``w = argmin over the simplex of |J^T w|``; weights sum to 1.

    Args:
        normalise: ``none``; or divide the gradients first by their ``norm``, by the ``loss`` of the task, or by
            ``both`` multiplied.
        epsilon: Stop of the Frank-Wolfe iterations; torchjd's default.
        max_iters: Maximum number of iterations; torchjd's default.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and up to
        ``max_iters`` iterations on a K x K matrix. ``representation`` is MGDA-UB of Sener and Koltun.

    When to choose it:
        Few tasks of equal importance. Favours the task with the smallest gradient; a task near its optimum stops all.

    Deviations:
        Sener and Koltun's public two-task solver clips weights to [.001, .999]; not done here. With ``normalise`` their
        code weighs the gradients as they were with weights found for the normalised ones; here the normalised ones are
        combined.

    Source:
        J.-A. Desideri, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization", C. R. Math. 2012;
        O. Sener, V. Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018, arXiv:1810.04650.
        Through torchjd.
    """

    name = "mgda"

    def __init__(
        self,
        *,
        normalise: str = "none",
        epsilon: float = 1e-3,
        max_iters: int = 100,
        gradients: str = "exact",
        every: int = 1,
        head_weighting: bool = False,
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self._check(normalise=(normalise, NORMALISE))
        self._check_range(epsilon=(epsilon, 0, 1), max_iters=(max_iters, 1, 1e6))
        self.normalise, self.epsilon, self.max_iters = normalise, epsilon, max_iters

    @property
    def degree(self) -> float:
        return 0.0 if self.normalise in ("norm", "both") else 1.0

    @property
    def needs(self) -> Needs:
        return replace(super().needs, losses="positive" if self.normalise in ("loss", "both") else "any")

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        size = torch.ones_like(gramian[0])
        if self.normalise in ("norm", "both"):
            size = gramian.diagonal().sqrt()
        if self.normalise in ("loss", "both"):
            size = size * self._means[present].to(size).clamp_min(1e-8)
        return self._weighting(gramian / size / size[:, None]) / size

    def _make(self, torchjd: Any) -> Any:
        return torchjd.MGDAWeighting(epsilon=self.epsilon, max_iters=self.max_iters)
