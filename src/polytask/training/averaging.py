"""An exponential moving average of a network's parameters."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..processes.collectives import is_sharded, own_share


class AveragedModel:
    """``average <- decay * average + (1 - decay) * parameters`` after every step; buffers are copied.

    Args:
        model: The network that trains.
        decay: Between 0 and 1; the average looks back about ``1 / (1 - decay)`` steps.
        start: A copy of the network, if it cannot be copied just so.

    Attributes:
        model: A copy of the network with the averaged parameters.
    """

    def __init__(self, model: nn.Module, decay: float, start: nn.Module | None = None) -> None:
        self.decay = decay
        self.model = (start or copy.deepcopy(model)).requires_grad_(False)
        # Walking through the modules at every step takes longer than the average itself.
        self._averages: list[Tensor] = list(self.model.parameters())
        self._parameters: list[Tensor] = list(model.parameters())
        self._sharded = any(map(is_sharded, self._parameters))
        self._buffers = list(zip(self.model.buffers(), model.buffers(), strict=True))

    @torch.no_grad()
    def update(self) -> None:
        """Take in the parameters of a step."""
        averages, parameters = self._averages, self._parameters
        if self._sharded:
            averages, parameters = [*map(own_share, averages)], [*map(own_share, parameters)]
        torch._foreach_lerp_(averages, parameters, 1 - self.decay)
        for average, buffer in self._buffers:
            average.copy_(buffer)
