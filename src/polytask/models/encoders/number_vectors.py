"""Modules that make vectors of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class NumberVectors(nn.Module):
    """A vector for each of some numbers.

    Args:
        embedding: From ``[B, len(at)]`` to ``[B, len(at), width]``.
        at: Positions of the embedded among the numeric inputs.
        inputs: Number of numeric inputs, indicators of missing values included.
        width: Length of the vectors.
    """

    at: Tensor
    rest: Tensor

    def __init__(self, embedding: nn.Module, at: Sequence[int], inputs: int, width: int) -> None:
        super().__init__()
        self.embedding, self.columns, self.width = embedding, len(at), width
        self.register_buffer("at", torch.tensor(at), persistent=False)
        rest = sorted(set(range(inputs)) - set(at))
        self.register_buffer("rest", torch.tensor(rest, dtype=torch.long), persistent=False)

    def forward(self, numeric: Tensor) -> Tensor:
        """``[B, inputs]`` to ``[B, columns, width]``."""
        return self.embedding(numeric[:, self.at])

    def others(self, numeric: Tensor) -> Tensor:
        """``[B, inputs]`` to ``[B, inputs - columns]``: those that are not embedded."""
        return numeric[:, self.rest]


class PerColumn(nn.Module):
    """A linear map for every column, 0 at the start; the package's own cannot be exported for any number of rows.

    Example:
        >>> PerColumn(5, 3, 2)(torch.ones(4, 5, 3)).shape
        torch.Size([4, 5, 2])
    """

    def __init__(self, columns: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(columns, in_features, out_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.bmm(x.transpose(0, 1), self.weight).transpose(0, 1)
