"""COSMOS: a weighted mean of the losses, held near a direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..needs import Needs
from ..scalarizer import Scalarizer


class COSMOS(Scalarizer):
    """A weighted mean of the losses, and a reward for losses in proportion to the preferences.

    ``total = sum_t r_t L_t - penalty * cos(r, L)`` with the preferences r, which are scaled to sum to 1.

    Args:
        preference: r by task name, more than 0; 1 for a task that is left out.
        penalty: Strength of the second term, at least 0; 0.01 to 8 in the paper depending on the data, 1 is ours.

    Cost:
        None.

    When to choose it:
        When the losses have one scale and their proportions are to be near given ones.

    Deviations:
        The paper feeds the preferences to the network, too, and draws new ones in every step, so that one network
        covers the whole front. Here they are fixed: a point of the front.

    Source:
        M. Ruchte, J. Grabocka, "Scalable Pareto Front Approximation for Deep Multi-Objective Learning", ICDM 2021,
        arXiv:2103.13392. Through torchjd.
    """

    name = "cosmos"

    def __init__(self, preference: Mapping[str, float] | None = None, *, penalty: float = 1.0) -> None:
        super().__init__(preference)
        self._check_range(penalty=(penalty, 0, float("inf")))
        self.penalty = penalty

    @property
    def needs(self) -> Needs:
        return Needs(losses="positive")

    def _make(self, torchjd: Any, preference: Tensor) -> Any:
        return torchjd.COSMOS(lambda_=self.penalty, weights=preference)
