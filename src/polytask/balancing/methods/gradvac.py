"""GradVac: gradients are brought to the similarity they usually have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..aggregator import Aggregator
from ..randomness import seeded, step_seed


class GradVac(Aggregator):
    """Gradients are turned towards each other up to the similarity that they usually have.

    A running mean of the cosine of every pair is the target: where a pair is less similar, ``g_i`` gets as much of
    ``g_j`` as makes it so; ``update = sum_i g_i``. The first step is that of PCGrad.

    Args:
        beta: Share of the new cosine in the running mean; 0.5 as in torchjd and LibMTL (far smaller in the paper's
            translation experiments).
        seed: Seed of the random order, which is equal on every process and in a resumed training.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and K^2 products
        in Python (torchjd).

    When to choose it:
        Many related tasks, such as languages.

    Deviations:
        The means are kept per pair of tasks while tasks are absent; torchjd starts again when the number of tasks
        changes.

    Source:
        Z. Wang, Y. Tsvetkov, O. Firat, Y. Cao, "Gradient Vaccine: Investigating and Improving Multi-task Optimization
        in Massively Multilingual Models", ICLR 2021, arXiv:2010.05874. Through torchjd.
    """

    name = "gradvac"

    def __init__(
        self,
        *,
        beta: float = 0.5,
        seed: int = 0,
        gradients: str = "exact",
        every: int = 1,
        head_weighting: bool = False,
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self._check_range(beta=(beta, 0, 1))
        self.beta, self.seed = beta, seed
        self.targets: Tensor
        self.register_buffer("targets", torch.zeros(0))

    def _start(self, tasks: int) -> None:
        super()._start(tasks)
        self.targets = torch.zeros(tasks, tasks)

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        weighting = self._weighting
        among = (present[:, None], present[None, :])
        # torchjd has no way to give it its state: these two attributes are all there is of it.
        weighting._phi_t = self.targets[among].to(device="cpu", dtype=gramian.dtype)
        weighting._state_key = (len(present), gramian.dtype)
        with seeded(step_seed(self.seed, self.steps)):
            weights = weighting(gramian)
        targets = self.targets.clone()
        targets[among] = weighting._phi_t.to(targets)
        self.targets = targets
        return weights

    def _forget(self, task: int) -> None:
        self.targets[task] = 0
        self.targets[:, task] = 0

    def _make(self, torchjd: Any) -> Any:
        return torchjd.GradVacWeighting(beta=self.beta)
