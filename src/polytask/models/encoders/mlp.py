"""MLP: the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ...ranges import Count, Share
from .table import OfTable

if TYPE_CHECKING:
    from torch import nn

    from ...data import Schema


class MLP(OfTable):
    """Layers with ReLU over the columns of a table; see :class:`polytask.TableEncoder`."""

    name: ClassVar[str] = "mlp"

    hidden: tuple[Count, ...] = Field((256, 128), min_length=1, description="widths of the layers")
    embedding: Count = Field(8, description="length of a category's vector")
    dropout: Share = Field(0.1, description="share of outputs dropped while training")

    def build(self, schema: Schema) -> nn.Module:
        from ..table_encoder import TableEncoder

        return TableEncoder(
            schema.numeric_width,
            schema.categories,
            len(schema.categorical),
            schema.text_width,
            hidden=self.hidden,
            embedding=self.embedding,
            dropout=self.dropout,
            numbers=self.numbers.make(schema),
        )
