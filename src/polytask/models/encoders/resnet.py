"""Residual MLP."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from ...data import Schema
from ...ranges import Count, Share
from ..table_encoder import TableInputs
from .table import OfTable


class ResidualBlock(nn.Module):
    """``x + dropout(W2 dropout(relu(W1 norm(x))))``.

    Args:
        width: Of x.
        hidden: Between the two linear maps.
        dropout: Share of the inner outputs dropped while training.

    Example:
        >>> import torch
        >>> ResidualBlock(4, 8, 0.0)(torch.zeros(3, 4)).shape
        torch.Size([3, 4])
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.out_features = width
        self.inner = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class ResNet(OfTable):
    """A residual MLP.

    Source:
        Y. Gorishniy, I. Rubachev, V. Khrulkov, A. Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS
        2021, arXiv:2106.11959, Section 3.2.

    Deviation:
        Layer normalisation instead of batch normalisation: a row does not see the others, whatever the size of the
        batch and the number of processes.
    """

    name: ClassVar[str] = "resnet"

    width: Count = Field(128, description="width of the blocks")
    blocks: Count = Field(2, description="number of blocks")
    hidden: Count = Field(256, description="width inside of a block")
    embedding: Count = Field(8, description="length of a category's vector")
    dropout: Share = Field(0.1, description="share of inner outputs dropped while training")

    def build(self, schema: Schema) -> nn.Module:
        blocks = [ResidualBlock(self.width, self.hidden, self.dropout) for _ in range(self.blocks)]
        sizes = schema.numeric_width, schema.categories, len(schema.categorical), schema.text_width
        first = TableInputs(*sizes, self.width, self.embedding, self.numbers.make(schema))
        return nn.Sequential(first, *blocks, nn.LayerNorm(self.width), nn.ReLU())
