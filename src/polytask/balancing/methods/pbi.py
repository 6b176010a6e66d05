"""PBI: down along a direction, and no further from it than the penalty allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..needs import Needs
from ..scalarizer import Scalarizer


class PBI(Scalarizer):
    """Penalty-based boundary intersection: the losses go down along a direction and stay near it.

    ``total = d1 + theta d2``: d1 the length of the losses along the preferences, d2 their distance from that line.
    With ``theta`` above ``1 / sqrt(K - 1)`` weights can be negative: a loss far below its share may rise.

    Args:
        preference: The direction by task name, more than 0; 1 for a task that is left out.
        theta: Penalty, at least 0; 5 in the paper; 0.5 is ours, so that weights are mostly positive.

    Cost:
        None.

    When to choose it:
        When the losses have one scale and given proportions matter more than their sum.

    Deviations:
        The paper decomposes a problem into many directions for a population; here the direction is fixed. The ideal
        point is 0.

    Source:
        Q. Zhang, H. Li, "MOEA/D: A Multiobjective Evolutionary Algorithm Based on Decomposition", IEEE Transactions on
        Evolutionary Computation 11(6):712-731, 2007, doi:10.1109/TEVC.2007.892759. Through torchjd.
    """

    name = "pbi"

    def __init__(self, preference: Mapping[str, float] | None = None, *, theta: float = 0.5) -> None:
        super().__init__(preference)
        self._check_range(theta=(theta, 0, float("inf")))
        self.theta = theta

    @property
    def needs(self) -> Needs:
        return Needs(losses="positive")

    def _make(self, torchjd: Any, preference: Tensor) -> Any:
        return torchjd.PBI(theta=self.theta, weights=preference, reference=torch.zeros_like(preference))
