"""PCGrad: conflicting parts of gradients are projected away."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..aggregator import Aggregator
from ..randomness import seeded, step_seed


class PCGrad(Aggregator):
    """Each gradient loses, in random order, the parts that conflict with the others; then they are summed.

    For all i, for all j in random order: if ``g_i . g_j < 0`` then ``g_i <- g_i - (g_i . g_j / |g_j|^2) g_j``, with the
    original ``g_j``; ``update = sum_i g_i``.

    Args:
        seed: Seed of the random order, which is equal on every process and in a resumed training.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and K^2 products
        in Python (torchjd).

    When to choose it:
        Two or three tasks that clearly conflict.

    Deviations:
        LibMTL and the authors' TensorFlow code also visit j = i, and the latter discards its shuffle.

    Source:
        T. Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, arXiv:2001.06782, Algorithm 1.
        Through torchjd.
    """

    name = "pcgrad"

    def __init__(
        self, *, seed: int = 0, gradients: str = "exact", every: int = 1, head_weighting: bool = False
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self.seed = seed

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        with seeded(step_seed(self.seed, self.steps)):
            return self._weighting(gramian)

    def _make(self, torchjd: Any) -> Any:
        return torchjd.PCGradWeighting()
