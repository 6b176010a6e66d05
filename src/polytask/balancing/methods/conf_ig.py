"""ConFIG: one direction at equal angles to all gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..aggregator import Aggregator
from ..gradients import matrix_root, of_unit_rows


class ConFIG(Aggregator):
    """One direction at equal angles to all gradients, with the total length of their projections onto it.

    ``d = U^+ 1`` with the unit gradients U; ``update = (sum_t g_t . d / |d|) d / |d|``.

    Args:
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and
        pseudo-inverses of a K x K matrix: ConFIG is a function of the Gramian, so torchjd's aggregator gets a K x K
        root of it instead of the K gradients.

    When to choose it:
        Losses of one problem, such as residuals of a differential equation.

    Source:
        Q. Liu, M. Chu, N. Thuerey, "ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks", ICLR
        2025, arXiv:2408.11104, Eq. 2. Through torchjd.
    """

    name = "config"

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        unit, norms = of_unit_rows(gramian)
        root = matrix_root(unit)
        direction = torch.nn.functional.normalize(self._weighting(root), dim=0)
        length = norms.double() @ root @ direction
        return (length * (torch.linalg.pinv(root.T) @ direction) / norms).to(gramian)

    def _make(self, torchjd: Any) -> Any:
        return torchjd.ConFIG()
