"""A pretrained body, or the features that it gave once, beside the other columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from .body import Body

#: Key of the frozen features among the inputs of a table.
VECTORS = "vectors"


class PretrainedEncoder(nn.Module):
    """What heads read of a table with texts or images.

    Args:
        body: Trains with the rest; None for frozen features, which are inputs (``vectors``).
        width: Of the body's features.
        beside: Encoder of the other columns, if there are any; its features are put beside the body's (beside each of
            them, where there is one per word).
        hidden: Widths of layers above; none above a body that trains.
        dropout: Share of features dropped while training, behind body and layers.
        items: The tasks have a target per word or position: features are ``[B, 1 + L, D]``.
        rate: Learning rate of the body, as a factor.
        layer_decay: Factor from each of the body's layers to the one below.

    Example:
        >>> encoder = PretrainedEncoder(None, 6, hidden=(4,), items=True)
        >>> encoder({"vectors": torch.zeros(2, 1 + 5, 6)}).shape
        torch.Size([2, 6, 4])
    """

    def __init__(
        self,
        body: Body | None,
        width: int,
        beside: nn.Module | None = None,
        *,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        items: bool = False,
        rate: float = 1.0,
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__()
        self.body, self.beside, self.items = body, beside, items
        self.rate, self.layer_decay = rate, layer_decay
        widths = [width + (int(getattr(beside, "out_features", 0))), *hidden]
        self.layers = nn.Sequential(nn.Dropout(dropout), *dense_layers(widths, dropout))
        self.out_features = widths[-1]

    def forward(self, inputs: Any) -> Tensor:
        found = self.body(inputs) if self.body is not None else inputs[VECTORS]
        if found.ndim == 3 and not self.items:
            found = found[:, 0]
        if self.beside is not None:
            beside = self.beside(inputs)
            if found.ndim == 3:
                beside = beside[:, None].expand(-1, found.shape[1], -1)
            found = torch.cat([found, beside], -1)
        return self.layers(found)

    def rate_factors(self) -> Mapping[str, float]:
        """Factors of the learning rate by the name of a parameter; 1 for all others.

        The layers of the body have ``rate * layer_decay^d``, where d layers lie above: Howard and Ruder 2018, Sec. 3.2.
        """
        if self.body is None:
            return {}
        return {f"body.{name}": self.rate * self.layer_decay**depth for name, depth in self.body.depths().items()}


def dense_layers(widths: Sequence[int], dropout: float) -> list[nn.Module]:
    """Layers from each width to the next, with ReLU and dropout."""
    return [
        layer
        for before, after in pairwise(widths)
        for layer in (nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout))
    ]
