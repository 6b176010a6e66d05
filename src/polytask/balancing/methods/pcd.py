"""PCD: the first task's gradient, with a little progress for every other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..aggregator import Aggregator

#: So many steps that torchjd's correction of the young mean is 1: the means it is given are corrected already.
MANY = 10**9


class PCD(Aggregator):
    """Priority-constrained descent: the gradient of a primary task, and at least some progress for the others.

    ``d = argmin |d - g_1|^2`` with ``g_j . d >= tau |g_j|^2`` for all others j, gradients scaled by the root of a
    running mean of their squared norms; the update has the norm of the primary gradient.

    Args:
        primary: Name of the primary task; the first by default. Where it has no label, or a zero gradient, the first
            task that has them is used.
        tau: Share of the progress that a separate step would bring to each secondary task, 0 to 1.
        beta: Decay of the running means.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and a small
        quadratic program.

    When to choose it:
        One task matters, the others are there to help it and must not be ruined.

    Deviations:
        Running means are kept per task while tasks are absent; torchjd starts again when the number of tasks changes.

    Source:
        D. Varam, M. I. Alhajri, "Not All Objectives Are Born Equal: Priority-Constrained Descent for Hierarchical
        Multi-Objective Optimization", TMLR 2026, arXiv:2606.29521. Through torchjd.
    """

    name = "pcd"

    def __init__(
        self,
        primary: str | None = None,
        *,
        tau: float = 0.02,
        beta: float = 0.999,
        gradients: str = "exact",
        every: int = 1,
        head_weighting: bool = False,
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self._check_range(tau=(tau, 0, 1), beta=(beta, 1e-6, 1 - 1e-9))
        self.primary, self.tau, self.beta = primary, tau, beta
        self.means: Tensor
        self.register_buffer("means", torch.zeros(0))

    def _start(self, tasks: int) -> None:
        super()._start(tasks)
        self._check_names("pcd: primary", [self.primary] if self.primary is not None else [])
        # Rows: running mean of the squared norm, number of steps in it.
        self.means = torch.zeros(2, tasks, dtype=torch.float64)

    def find(self, gramian: Tensor, present: Tensor) -> Tensor:
        first = self.tasks.index(self.primary) if self.primary is not None else 0
        order = torch.argsort((present != first).int(), stable=True)  # the primary task comes first
        squares = gramian.diagonal().to(self.means)
        mean, steps = self.means[:, present]
        mean, steps = self.beta * mean + (1 - self.beta) * squares, steps + 1
        self.means = self.means.index_copy(1, present, torch.stack([mean, steps]))
        corrected = mean / (1 - self.beta**steps)
        weighting = self._weighting
        # What torchjd makes of this with the new squares is `corrected`.
        weighting._sq_norm_ema = ((corrected - (1 - self.beta) * squares) / self.beta)[order].cpu()
        weighting._n_steps, weighting._state_key = torch.tensor(MANY), len(present)
        return torch.empty_like(gramian[0]).index_copy(0, order, weighting(gramian[order][:, order]))

    def _forget(self, task: int) -> None:
        self.means[:, task] = 0

    def _make(self, torchjd: Any) -> Any:
        return torchjd.PCDWeighting(tau=self.tau, beta=self.beta, eps=0.0)
