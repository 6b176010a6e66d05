"""FT-Transformer: a token for every column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ...data import Schema
from ...ranges import Count, Share
from ..table_encoder import embedded_text
from .number_vectors import NumberVectors
from .numbers import Linear, NumbersOption
from .table import OfTable


class ColumnTokens(nn.Module):
    """A row as tokens: one that stands for the whole row, then one for every column; hashed text is a single one.

    Shapes:
        As :class:`~polytask.TableEncoder` takes them, to ``[B, 1 + columns, width]``.
    """

    def __init__(self, schema: Schema, numbers: NumberVectors | None, width: int) -> None:
        super().__init__()
        self.numbers = numbers
        indicators = schema.numeric_width - len(schema.numbers)
        self.row = nn.Parameter(torch.empty(1, 1, width))
        self.missing = nn.Parameter(torch.empty(indicators, width)) if indicators else None
        self.categories = nn.Embedding(schema.categories, width) if schema.categorical else None
        self.columns = nn.Parameter(torch.empty(len(schema.categorical), width)) if schema.categorical else None
        self.text = nn.EmbeddingBag(schema.text_width, width, mode="sum") if schema.text_width else None
        own = [self.row, self.missing, self.columns, *(part.weight for part in (self.categories, self.text) if part)]
        for weight in own:
            if weight is not None:
                nn.init.uniform_(weight, -(width**-0.5), width**-0.5)

    def forward(self, inputs: Mapping[str, Any]) -> Tensor:
        tokens: list[Tensor] = []
        if self.numbers is not None:
            numeric = inputs["numeric"]
            tokens.append(self.numbers(numeric))
            if self.missing is not None:
                tokens.append(self.numbers.others(numeric)[..., None] * self.missing)
        if self.categories is not None:
            tokens.append(self.categories(inputs["categorical"]) + self.columns)
        if self.text is not None:
            tokens.append(embedded_text(inputs, self.text)[:, None])
        return torch.cat([self.row.expand(tokens[0].shape[0], -1, -1), *tokens], 1)


class Block(nn.Module):
    """Attention among the tokens of a row, then a layer for each.

    Args:
        width: Length of a token.
        heads: Attention heads.
        attention_dropout: Share of attention dropped while training.
        dropout: Share of inner outputs dropped while training.
        first: The first block: its attention reads the tokens without normalisation.
        last: The last block: only the first token, which stands for the row, continues.

    Example:
        >>> Block(8, 2, 0.0, 0.0, first=False, last=True)(torch.zeros(3, 5, 8)).shape
        torch.Size([3, 1, 8])
    """

    def __init__(
        self, width: int, heads: int, attention_dropout: float, dropout: float, *, first: bool, last: bool
    ) -> None:
        super().__init__()
        self.heads, self.attention_dropout, self.last = heads, attention_dropout, last
        self.before: nn.Module = nn.Identity() if first else nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mix = nn.Linear(width, width)
        hidden = 4 * width // 3
        self.norm, self.gated = nn.LayerNorm(width), nn.Linear(width, 2 * hidden)
        self.out = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """``[B, T, width]`` to the same, or to ``[B, 1, width]``."""
        read = self.before(tokens)
        if self.last:
            tokens = tokens[:, :1]
        queries = self.query(read[:, :1] if self.last else read)
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for part in (queries, *self.key_value(read).chunk(2, 2)))  # fmt: skip
        dropped = self.attention_dropout if self.training else 0.0
        tokens = tokens + self.mix(scaled_dot_product_attention(q, k, v, dropout_p=dropped).transpose(1, 2).flatten(2))
        values, gates = self.gated(self.norm(tokens)).chunk(2, 2)
        return tokens + self.out(values * gates.relu())


class FTTransformer(OfTable):
    """A transformer over the columns of a table.

    Source:
        Y. Gorishniy, I. Rubachev, V. Khrulkov, A. Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS
        2021, arXiv:2106.11959, Section 3.3. Hashed text as a token, and tokens for indicators of missing numbers, are
        ours.
    """

    name: ClassVar[str] = "ft_transformer"
    # Between its blocks there are tokens, no vectors: it is shared as a whole.
    sharing: ClassVar[tuple[str, ...]] = ("hard", "mmoe", "cgc", "ple")

    numbers: NumbersOption = Field(Linear(name="linear"), description=OfTable.model_fields["numbers"].description)
    width: Count = Field(64, description="length of a token; a multiple of heads")
    blocks: Count = Field(2, description="number of blocks")
    heads: Count = Field(8, description="attention heads")
    attention_dropout: Share = Field(0.15, description="share of attention dropped while training")
    dropout: Share = Field(0.05, description="share of inner outputs dropped while training")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> FTTransformer:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads ({self.heads})")
        if getattr(self.numbers, "width", None) is not None:
            raise ValueError("the vectors of numbers have the width of the tokens; leave numbers.width out")
        return self

    def build(self, schema: Schema) -> nn.Module:
        tokens = ColumnTokens(schema, self.numbers.make(schema, self.width), self.width)
        places = range(self.blocks)
        blocks = [
            Block(
                self.width, self.heads, self.attention_dropout, self.dropout, first=place == 0, last=place == places[-1]
            )
            for place in places
        ]
        return Whole(tokens, *blocks, nn.Flatten(), nn.LayerNorm(self.width), nn.ReLU(), out_features=self.width)


class Whole(nn.Module):
    """Layers one after the other that no sharing architecture is to split, as it does with an ``nn.Sequential``."""

    def __init__(self, *layers: nn.Module, out_features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.out_features = out_features

    def forward(self, inputs: Any) -> Tensor:
        return self.layers(inputs)
