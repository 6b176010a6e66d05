"""Equal weights: the sum of the losses."""

from __future__ import annotations

import torch
from torch import Tensor

from ..balancer import Balancer
from ..task_losses import TaskLosses


class Equal(Balancer):
    """Every task has the weight 1 (times the user's): the baseline that few methods beat.

    ``total = sum_t L_t``. A sum, not a mean: K times the learning rate of a mean with SGD.

    Cost:
        None.

    When to choose it:
        First, with losses brought to similar scales and a tuned learning rate.

    Source:
        D. Xin et al., "Do Current Multi-Task Optimization Methods in Deep Learning Even Help?", NeurIPS 2022,
        arXiv:2209.11379.
    """

    name = "equal"
    adapts = False

    def weights(self, losses: TaskLosses) -> Tensor:
        return torch.ones_like(losses.means)

    def total(self, losses: TaskLosses) -> tuple[Tensor, Tensor]:
        # The weights of present tasks are 1 by definition: nothing to renormalise.
        weights = self.user_weights if losses.complete else self.user_weights * losses.present
        return weights.to(losses.values.dtype) @ losses.values, weights
