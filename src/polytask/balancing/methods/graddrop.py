"""GradDrop: every coordinate follows one sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..aggregator import Aggregator
from ..gradient_balancer import StepTensors
from ..needs import Gradients
from ..randomness import seeded, step_seed


class GradDrop(Aggregator):
    """In every coordinate one sign is drawn, and the gradients of the other sign are dropped.

    With the purity ``P = (1 + sum_t g_t / sum_t |g_t|) / 2`` of a coordinate and a random number U in [0, 1), positive
    parts stay where ``P > U``, negative ones where ``P < U``. The user's weights multiply the gradients beforehand,
    since there is no weight that they could multiply afterwards; the weights reported are 1.

    Args:
        leak: Share of every gradient that is never dropped, 0 to 1.
        seed: Of the draws, equal on every process and in a resumed training.
        gradients: ``exact`` or ``representation``.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``).

    When to choose it:
        As a regulariser where gradients often disagree in sign.

    Deviations:
        The paper works at the shared representation, on gradients times the sign of the activation summed over the
        batch; torchjd's rule, used here, is for gradients of any place, coordinate by coordinate. At the representation
        every process draws for the rows that it has, so that several processes do not take the very steps of one.

    Reference:
        Z. Chen et al., "Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout", NeurIPS 2020,
        arXiv:2010.06808, Algorithm 1. Through torchjd.
    """

    name = "graddrop"
    sources: ClassVar[tuple[Gradients, ...]] = ("exact", "representation")

    def __init__(self, *, leak: float = 0.0, seed: int = 0, gradients: str = "exact") -> None:
        super().__init__(gradients=gradients)
        self._check_range(leak=(leak, 0, 1))
        self.leak, self.seed = leak, seed

    def _update(self, step: StepTensors, backward: Callable[[Tensor], object], *, new: bool) -> Tensor:
        weights = torch.where(step.losses.present, self.found, 0.0) * self.user_weights
        rows = [row.dense().flatten(1) for row in self._rows(step)]
        matrix = torch.cat(rows, 1) * weights[step.present, None]
        aggregator = self._weighting
        aggregator.leak = torch.full_like(matrix[:, 0], self.leak)
        with seeded(step_seed(self.seed, self.steps), matrix.device):
            vector = torch.nan_to_num(aggregator(matrix), nan=0.0) if torch.isfinite(matrix).all() else matrix.sum(0)
        targets = step.features if self.gradients == "representation" else step.shared
        assert targets is not None
        parts = vector.split([row.shape[1] for row in rows])
        combined = [part.view_as(target) for part, target in zip(parts, targets, strict=True)]
        self._finish(step, weights, weights, combined, backward)
        return weights

    def _make(self, torchjd: Any) -> Any:
        return torchjd.GradDrop()
