"""GradDrop: every coordinate follows one sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from ..gradient_balancer import GradientBalancer, StepTensors
from ..needs import Gradients
from ..randomness import random_rows, seeded, step_seed


def one_sign(matrix: Tensor, uniform: Tensor, leak: float = 0.0) -> Tensor:
    """``[m]`` sum of gradients of which every coordinate keeps one sign.

    Args:
        matrix: ``[n, m]`` gradients of n tasks.
        uniform: ``[m]`` random numbers in [0, 1).
        leak: Share of every gradient that is kept whatever its sign.

    Source:
        Chen et al., NeurIPS 2020, Algorithm 1, lines 10 to 15.

    Example:
        >>> one_sign(torch.tensor([[3., -1.], [-1., -1.]]), torch.tensor([0.7, 0.5])).tolist()
        [3.0, -2.0]
    """
    purity = (1 + matrix.sum(0) / matrix.abs().sum(0)) / 2
    kept = torch.where(matrix > 0, purity > uniform, purity < uniform)
    return ((leak + (1 - leak) * kept) * matrix).sum(0)


class GradDrop(GradientBalancer):
    """In every coordinate one sign is drawn, and the gradients of the other sign are dropped.

    With the purity ``P = (1 + sum_t g_t / sum_t |g_t|) / 2`` of a coordinate and a random number U in [0, 1), positive
    parts stay where ``P > U``, negative ones where ``P < U``. The user's weights multiply the gradients beforehand,
    since there is no weight that they could multiply afterwards; the weights reported are 1.

    Args:
        leak: Share of every gradient that is never dropped, 0 to 1.
        seed: Seed of the draws, which are equal on every process and in a resumed training.
        gradients: ``exact`` or ``representation``.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``).

    When to choose it:
        As a regulariser where gradients often disagree in sign.

    Deviations:
        The paper works at the shared representation, on gradients times the sign of the activation summed over the
        batch; the rule used here, which is torchjd's, is for gradients of any place, coordinate by coordinate. At the
        representation these are coordinates of single samples.

    Source:
        Z. Chen et al., "Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout", NeurIPS 2020,
        arXiv:2010.06808, Algorithm 1.
    """

    name = "graddrop"
    sources: ClassVar[tuple[Gradients, ...]] = ("exact", "representation")

    def __init__(self, *, leak: float = 0.0, seed: int = 0, gradients: str = "exact") -> None:
        super().__init__(gradients=gradients)
        self._check_range(leak=(leak, 0, 1))
        self.leak, self.seed = leak, seed

    def _update(self, step: StepTensors, backward: Callable[[Tensor], object], *, new: bool) -> Tensor:
        weights = self._weigh(self.found, step)
        blocks = self._rows(step)
        rows = [block.dense() for block in blocks]
        of_samples = step.source == "representation"
        with seeded(step_seed(self.seed, self.steps), rows[0].device):
            drawn = [random_rows(row[0].float()) if of_samples else torch.rand_like(row[0].float()) for row in rows]
        factors = weights[step.present, None]
        combined: list[Tensor | None] = []
        for block, row, uniform in zip(blocks, rows, drawn, strict=True):
            matrix = row.flatten(1) * factors
            finite = bool(torch.isfinite(matrix).all())  # otherwise the step is to be skipped
            vector = one_sign(matrix, uniform.flatten(), self.leak) if finite else matrix.sum(0)
            combined.append(vector.view_as(uniform) if block.reached else None)
        self._finish(step, weights, weights, combined, backward)
        return weights
