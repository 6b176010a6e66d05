"""Chemprop: a graph network for columns of molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from ...errors import UserError
from ...ranges import Count, Share
from .table import OfTable

if TYPE_CHECKING:
    from torch import nn

    from ...data import Schema


class Chemprop(OfTable):
    """Directed message passing (D-MPNN) of chemprop over the bonds of molecules; see ``docs/encoders.md``.

    The vectors of molecules are concatenated with the features of all other columns, Morgan counts and descriptors
    included, and pass with them through the layers ``hidden``.

    Source:
        Yang et al., Analyzing Learned Molecular Representations for Property Prediction, J. Chem. Inf. Model. 59
        (2019); Heid et al., Chemprop: A Machine Learning Package for Chemical Property Prediction, ibid. 64 (2024).
    """

    name: ClassVar[str] = "chemprop"
    extra: ClassVar[str] = "chemprop"
    packages: ClassVar[tuple[str, ...]] = ("chemprop", "rdkit")

    width: Count = Field(300, description="length of a bond's, an atom's and a molecule's vector")
    depth: Count = Field(3, description="steps of message passing")
    pooling: Literal["mean", "sum", "norm"] = Field(
        "mean", description="a molecule's vector of its atoms': mean, sum, or a hundredth of the sum"
    )
    hidden: tuple[Count, ...] = Field(
        (256, 128), min_length=1, description="layers above; the first is also the width of the other columns' layer"
    )
    embedding: Count = Field(8, description="length of a category's vector")
    dropout: Share = Field(0.1, description="share of outputs dropped while training")

    def schema_options(self) -> dict[str, Any]:
        return {**super().schema_options(), "graphs": True}

    def build(self, schema: Schema) -> nn.Module:
        if not schema.graphs:
            raise UserError("encoder: chemprop reads columns of molecules (SMILES), found none; state which they are: "
                            "column_kind: {COLUMN: smiles}, or choose another encoder")  # fmt: skip
        from chemprop.nn import AggregationRegistry, BondMessagePassing
        from torch import nn

        from ...data.molecule_graphs import graph_widths
        from ...pretrained import dense_layers
        from ..molecule_encoder import MoleculeEncoder
        from ..table_encoder import TableEncoder

        passing = BondMessagePassing(*graph_widths(), self.width, depth=self.depth, dropout=self.dropout)
        beside = TableEncoder(
            schema.numeric_width,
            schema.categories,
            len(schema.categorical),
            schema.text_width,
            hidden=self.hidden[:1],
            embedding=self.embedding,
            dropout=self.dropout,
            numbers=self.numbers.make(schema),
        )
        pooling = AggregationRegistry[self.pooling]()
        first = MoleculeEncoder(passing, pooling, len(schema.graphs), beside, self.hidden[0], self.dropout)
        # A sequence, so that sharing architectures find its stages.
        return nn.Sequential(first, *dense_layers(self.hidden, self.dropout))
