"""MLP: the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ...ranges import Count, Share
from .table import OfTable

if TYPE_CHECKING:
    from torch import nn

    from ...data import Schema


#: Widths of the layers, and from :data:`MANY_ROWS` training rows on: wider ones gain nothing on small tables.
WIDTHS, WIDE = (256, 128), (512, 256)
MANY_ROWS = 5_000


class MLP(OfTable):
    """Layers with ReLU over the columns of a table; see :class:`polytask.TableEncoder`.

    Example:
        >>> MLP().for_rows(1_000).hidden, MLP().for_rows(100_000).hidden, MLP(hidden=(64, 32)).for_rows(100_000).hidden
        ((256, 128), (512, 256), (64, 32))
    """

    name: ClassVar[str] = "mlp"

    hidden: tuple[Count, ...] | None = Field(
        None,
        min_length=1,
        description=f"widths of the layers; null: {list(WIDTHS)}, from {MANY_ROWS:,} training rows on {list(WIDE)}",
    )
    embedding: Count = Field(8, description="length of a category's vector")
    dropout: Share = Field(0.1, description="share of outputs dropped while training")

    def for_rows(self, rows: int) -> MLP:
        """The same with the widths decided for this number of training rows."""
        if self.hidden is not None:
            return self
        return self.model_copy(update={"hidden": WIDE if rows >= MANY_ROWS else WIDTHS})

    def build(self, schema: Schema) -> nn.Module:
        from ..table_encoder import TableEncoder

        return TableEncoder(
            schema.numeric_width,
            schema.categories,
            len(schema.categorical),
            schema.text_width,
            hidden=self.for_rows(schema.rows).hidden or WIDTHS,
            embedding=self.embedding,
            dropout=self.dropout,
            numbers=self.numbers.make(schema),
        )
