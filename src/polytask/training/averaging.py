"""An exponential moving average of a network's parameters."""

from __future__ import annotations

import copy

import torch
from torch import nn


class AveragedModel:
    """``average <- decay * average + (1 - decay) * parameters`` after every step; buffers are copied.

    Args:
        model: The network that trains.
        decay: Between 0 and 1; the average looks back about ``1 / (1 - decay)`` steps.

    Attributes:
        model: A copy of the network with the averaged parameters.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the parameters of a step."""
        averages = [parameter.data for parameter in self.model.parameters()]
        torch._foreach_lerp_(averages, [parameter.data for parameter in model.parameters()], 1 - self.decay)
        for average, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(buffer)
