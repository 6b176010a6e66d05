"""The encoder for tables: numbers, embedded categories and hashed text through an MLP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..data import SparseRows


class TableEncoder(nn.Module):
    """MLP over the columns of a table.

    Args:
        numeric: Number of numeric inputs.
        categories: Size of the common embedding table of all categorical columns, 0 for none.
        categorical: Number of categorical columns.
        text: Width of the hashed text, 0 for none. It enters the first layer as a sparse product.
        hidden: Widths of the layers; the last is the width of the shared representation.
        embedding: Length of a category's vector.
        dropout: Share of each layer's outputs dropped while training.

    Shapes:
        Takes ``{"numeric": [B, numeric], "categorical": [B, categorical] codes, "text": SparseRows}`` with the keys
        that exist and gives ``[B, hidden[-1]]``.

    Example:
        >>> encoder = TableEncoder(numeric=2, categories=5, categorical=1, hidden=(8, 4))
        >>> encoder({"numeric": torch.zeros(3, 2), "categorical": torch.tensor([[0], [4], [1]])}).shape
        torch.Size([3, 4])
    """

    def __init__(
        self,
        numeric: int = 0,
        categories: int = 0,
        categorical: int = 0,
        text: int = 0,
        *,
        hidden: Sequence[int] = (256, 128),
        embedding: int = 8,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        first, *rest = hidden
        self.out_features = hidden[-1]
        self.embedding = nn.Embedding(categories, embedding) if categories else None
        self.text = nn.EmbeddingBag(text, first, mode="sum") if text else None
        dense = numeric + categorical * embedding
        self.first = nn.Linear(dense, first, bias=False) if dense else None
        self.bias = nn.Parameter(torch.zeros(first))
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=embedding**-0.5)
        if self.text is not None:
            # Rows have unit length: the scale of a linear layer on standardised inputs of that length.
            nn.init.normal_(self.text.weight, std=1.0)
        layers: list[nn.Module] = [nn.ReLU(), nn.Dropout(dropout)]
        for width_in, width_out in zip(hidden, rest, strict=False):
            layers += [nn.Linear(width_in, width_out), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*[layer for layer in layers if not (isinstance(layer, nn.Dropout) and not dropout)])

    def forward(self, inputs: Mapping[str, Tensor | SparseRows]) -> Tensor:
        hidden = self.bias
        dense = self._dense(inputs)
        if self.first is not None:
            hidden = hidden + self.first(dense[0] if len(dense) == 1 else torch.cat(dense, 1))
        if self.text is not None:
            text = inputs["text"]
            assert isinstance(text, SparseRows)
            # The last offset (the total) is left out: EmbeddingBag wants the starts only.
            starts = text.offsets[:-1].to(text.indices.dtype)
            hidden = hidden + self.text(text.indices, starts, per_sample_weights=text.values)
        return self.layers(hidden)

    def _dense(self, inputs: Mapping[str, Tensor | SparseRows]) -> list[Tensor]:
        """Numbers and embedded categories, ``[B, ...]`` each."""
        parts: list[Tensor] = []
        if isinstance(numeric := inputs.get("numeric"), Tensor):
            parts.append(numeric)
        if self.embedding is not None:
            parts.append(self.embedding(inputs["categorical"]).flatten(1))
        return parts
