"""Random loss weighting: the litmus test."""

from __future__ import annotations

import torch
from torch import Tensor

from ..balancer import Balancer
from ..randomness import step_seed
from ..task_losses import TaskLosses


class RLW(Balancer):
    """Random loss weighting: new random weights in every step.

    ``w = softmax(z)``, ``z ~ N(0, I)``; the weights sum to 1, so a learning rate tuned for equal weights is K times too
    small with SGD. Draws are equal on every process and in a resumed training.

    Args:
        seed: Seed of the draws.

    Cost:
        None.

    When to choose it:
        As a baseline: a method that does not beat random weights does not balance anything.

    Source:
        B. Lin, F. Ye, Y. Zhang, I. Tsang, "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task
        Learning", TMLR 2022, arXiv:2111.10603.
    """

    name = "rlw"

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def weights(self, losses: TaskLosses) -> Tensor:
        generator = torch.Generator().manual_seed(step_seed(self.seed, self.steps))
        draw = torch.randn(len(losses.counts), generator=generator).to(losses.means)
        return torch.softmax(torch.where(losses.present, draw, -torch.inf), 0)
