"""The encoder for tables: numbers, embedded categories and hashed text through an MLP."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..data import SparseRows


class TableInputs(nn.Module):
    """The first layer of a table: linear in numbers, embedded categories and hashed text.

    Args: as for :class:`TableEncoder`.
        width: Outputs, ``[B, width]``.
    """

    def __init__(
        self,
        numeric: int,
        categories: int,
        categorical: int,
        text: int,
        width: int,
        embedding: int,
        numbers: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.out_features = width
        self.numbers = numbers
        self.embedding = nn.Embedding(categories, embedding) if categories else None
        self.text = nn.EmbeddingBag(text, width, mode="sum") if text else None
        dense = sum(dense_widths(numeric, categorical, embedding, numbers))
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
        hidden: Tensor = self.bias
        if self.dense is not None:
            hidden = hidden + self.dense(dense_columns(inputs, self.numbers, self.embedding))
        if self.text is not None:
            hidden = hidden + embedded_text(inputs, self.text)
        return hidden


def dense_widths(numeric: int, categorical: int, embedding: int, numbers: Any) -> list[int]:
    """Width of every column of :func:`dense_columns`.

    Args:
        numeric: Numeric inputs.
        categorical: Columns of categories.
        embedding: Length of a category's vector.
        numbers: See :class:`TableEncoder`.
    """
    embedded = [] if numbers is None else [numbers.width] * numbers.columns
    return [*embedded, *[1] * (numeric - len(embedded)), *[embedding] * categorical]


def dense_columns(inputs: Mapping[str, Any], numbers: Any, embedding: nn.Module | None) -> Tensor:
    """``[B, sum of dense_widths]``: numbers, embedded or as they are, and embedded categories."""
    parts: list[Tensor] = []
    if isinstance(numeric := inputs.get("numeric"), Tensor):
        if numbers is None:
            parts.append(numeric)
        else:
            parts += [numbers(numeric).flatten(1), numbers.others(numeric)]
    if embedding is not None:
        parts.append(embedding(inputs["categorical"]).flatten(1))
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def embedded_text(inputs: Mapping[str, Any], table: nn.EmbeddingBag) -> Tensor:
    """``[B, width]``: hashed text as a sparse product."""
    text = inputs["text"]
    assert isinstance(text, SparseRows)
    # The last offset (the total) is left out: EmbeddingBag wants the starts only.
    starts = text.offsets[:-1].to(text.indices.dtype)
    return table(text.indices, starts, per_sample_weights=text.values)


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
        numbers: Embedding of some numeric inputs, a :class:`~polytask.models.encoders.number_vectors.NumberVectors`;
            the others enter as they are.

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
        numbers: nn.Module | None = None,
    ) -> None:
        linear: list[nn.Module] = [TableInputs(numeric, categories, categorical, text, hidden[0], embedding, numbers)]
        linear += [nn.Linear(width_in, width_out) for width_in, width_out in pairwise(hidden)]
        after = [nn.ReLU(), nn.Dropout(dropout)] if dropout else [nn.ReLU()]
        super().__init__(*[layer for start in linear for layer in (start, *copy.deepcopy(after))])
        self.out_features = hidden[-1]
