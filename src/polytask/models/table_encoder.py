"""The encoder for tables: numbers, embedded categories and hashed text through an MLP."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..data import SparseRows


class TableInputs(nn.Module):
    """The first layer of a table: linear in numbers, embedded categories and hashed text.

    Args: as for :class:`TableEncoder`.
        width: Outputs, ``[B, width]``.
    """

    def __init__(self, numeric: int, categories: int, categorical: int, text: int, width: int, embedding: int) -> None:
        super().__init__()
        self.out_features = width
        self.embedding = nn.Embedding(categories, embedding) if categories else None
        self.text = nn.EmbeddingBag(text, width, mode="sum") if text else None
        dense = numeric + categorical * embedding
        self.dense = nn.Linear(dense, width, bias=False) if dense else None
        self.bias = nn.Parameter(torch.zeros(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fresh weights of embeddings and bias (the linear layer has made its own)."""
        nn.init.zeros_(self.bias)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=self.embedding.embedding_dim**-0.5)
        if self.text is not None:
            # Rows have unit length: the scale of a linear layer on standardised inputs of that length.
            nn.init.normal_(self.text.weight, std=1.0)

    def forward(self, inputs: Mapping[str, Tensor | SparseRows]) -> Tensor:
        hidden = self.bias
        dense = self._dense(inputs)
        if self.dense is not None:
            hidden = hidden + self.dense(dense[0] if len(dense) == 1 else torch.cat(dense, 1))
        if self.text is not None:
            text = inputs["text"]
            assert isinstance(text, SparseRows)
            # The last offset (the total) is left out: EmbeddingBag wants the starts only.
            starts = text.offsets[:-1].to(text.indices.dtype)
            hidden = hidden + self.text(text.indices, starts, per_sample_weights=text.values)
        return hidden

    def _dense(self, inputs: Mapping[str, Tensor | SparseRows]) -> list[Tensor]:
        """Numbers and embedded categories, ``[B, ...]`` each."""
        parts: list[Tensor] = []
        if isinstance(numeric := inputs.get("numeric"), Tensor):
            parts.append(numeric)
        if self.embedding is not None:
            parts.append(self.embedding(inputs["categorical"]).flatten(1))
        return parts


class TableEncoder(nn.Sequential):
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
        linear: list[nn.Module] = [TableInputs(numeric, categories, categorical, text, hidden[0], embedding)]
        linear += [nn.Linear(width_in, width_out) for width_in, width_out in pairwise(hidden)]
        after = [nn.ReLU(), nn.Dropout(dropout)] if dropout else [nn.ReLU()]
        super().__init__(*[layer for start in linear for layer in (start, *copy.deepcopy(after))])
        self.out_features = hidden[-1]
