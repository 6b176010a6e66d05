"""Uncertainty weighting: a learned noise level per task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..adam import adam_step
from ..balancer import Balancer
from ..needs import Needs
from ..task_losses import TaskLosses


def uncertainty_weights(log_variance: Tensor, factor: Tensor | float = 0.5) -> Tensor:
    """``factor exp(-s)``: the weights in ``sum_t factor_t exp(-s_t) L_t + s_t / 2``.

    Args:
        log_variance: ``[K]`` s, the logarithm of each task's noise variance.
        factor: 1/2 for regression, 1 for classification.
    """
    return factor * torch.exp(-log_variance)


class UncertaintyWeighting(Balancer):
    """Uncertainty weighting: each task's weight is learned as one over twice its noise variance.

    ``total = sum_t exp(-s_t) L_t / 2 + s_t / 2`` for regression and ``sum_t exp(-s_t) L_t + s_t / 2`` for
    classification, with ``s_t`` learned. At the optimum ``s_t = log L_t``: weights go with ``1 / L_t``.

    Args:
        lr: Step size of s, which has a separate Adam, without weight decay; 0.01 is ours (public code puts s into
            the optimiser of the model).
        init: First s; 0 (LibMTL: -0.5).
        classification: Names of tasks that take the classification form; by default none, as in torchjd and LibMTL.

    Cost:
        None.

    When to choose it:
        Losses that are (log-)likelihoods of different scale. Weights grow as losses fall, so a task that overfits its
        training rows is weighted up; losses must not be negative.

    Source:
        A. Kendall, Y. Gal, R. Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
        Semantics", CVPR 2018, arXiv:1705.07115.
    """

    name = "uw"

    def __init__(self, *, lr: float = 0.01, init: float = 0.0, classification: Sequence[str] = ()) -> None:
        super().__init__()
        self._check_range(lr=(lr, 0, float("inf")))
        self.lr, self.init, self.classification = lr, init, tuple(classification)
        self.log_variance: Tensor
        self.moments: Tensor
        self.factor: Tensor
        self.register_buffer("log_variance", torch.zeros(0))
        self.register_buffer("moments", torch.zeros(0))
        self.register_buffer("factor", torch.zeros(0), persistent=False)

    @property
    def needs(self) -> Needs:
        return Needs(losses="positive")

    def _start(self, tasks: int) -> None:
        self._check_names("uw: classification", self.classification)
        self.log_variance = torch.full((tasks,), float(self.init))
        self.moments = torch.zeros(3, tasks)
        self.factor = torch.tensor([1.0 if task in self.classification else 0.5 for task in self.tasks])

    def weights(self, losses: TaskLosses) -> Tensor:
        weights = uncertainty_weights(self.log_variance, self.factor)
        # The derivative of the total by s, for which no graph is needed.
        gradient = 0.5 - weights * losses.means
        self.log_variance, self.moments = adam_step(
            self.log_variance, gradient, self.moments, self.lr, where=losses.usable
        )
        return weights

    def _forget(self, task: int) -> None:
        self.log_variance[task] = self.init
        self.moments[:, task] = 0
