"""TabM: many MLPs in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ...data import Schema
from ...ranges import Count, Range, Share
from ..table_encoder import dense_columns, dense_widths, embedded_text
from .number_vectors import NumberVectors
from .table import OfTable


class Ensemble(nn.Module):
    """The members' representations side by side.

    Shapes:
        As :class:`~polytask.TableEncoder` takes them, to ``[B, members * width]``.
    """

    def __init__(self, schema: Schema, numbers: NumberVectors | None, options: TabM) -> None:
        super().__init__()
        from tabm import EnsembleView, make_tabm_backbone

        self.members, self.out_features = options.members, options.members * options.width
        self.numbers = numbers
        self.categories = nn.Embedding(schema.categories, options.embedding) if schema.categorical else None
        self.text = nn.EmbeddingBag(schema.text_width, options.width, mode="sum") if schema.text_width else None
        widths = dense_widths(schema.numeric_width, len(schema.categorical), options.embedding, numbers)
        widths += [options.width] if schema.text_width else []
        if self.categories is not None:
            nn.init.normal_(self.categories.weight, std=options.embedding**-0.5)
        self.view = EnsembleView(k=options.members)
        self.backbone = make_tabm_backbone(
            d_in=sum(widths),
            n_blocks=options.blocks,
            d_block=options.width,
            dropout=options.dropout,
            k=options.members,
            start_scaling_init="random-signs" if numbers is None else "normal",
            start_scaling_init_chunks=widths,
        )

    def forward(self, inputs: Mapping[str, Any]) -> Tensor:
        parts = []
        if self.categories is not None or "numeric" in inputs:
            parts.append(dense_columns(inputs, self.numbers, self.categories))
        if self.text is not None:
            parts.append(embedded_text(inputs, self.text))
        return self.backbone(self.view(torch.cat(parts, 1))).flatten(1)


class TabM(OfTable):
    """An ensemble of MLPs that share most of their weights, trained side by side.

    Every member has separate heads. Training minimises the mean of the members' losses; a prediction is the mean of
    theirs, and soft labels are made of that.

    Source:
        Y. Gorishniy, A. Kotelnikov, A. Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
        Ensembling", ICLR 2025, arXiv:2410.24210, by the authors' package ``tabm``.

    Deviation:
        Categories are embedded, not one-hot; hashed text enters as a vector.
    """

    name: ClassVar[str] = "tabm"
    packages: ClassVar[tuple[str, ...]] = ("tabm",)
    # A sharing architecture would mix the members, which must stay apart.
    sharing: ClassVar[tuple[str, ...]] = ("hard",)

    members: Annotated[int, Range(2, whole=True)] = Field(16, description="networks in one")
    width: Count = Field(128, description="width of the layers")
    blocks: Count = Field(2, description="number of layers")
    embedding: Count = Field(8, description="length of a category's vector")
    dropout: Share = Field(0.1, description="share of outputs dropped while training")

    def build(self, schema: Schema) -> nn.Module:
        return Ensemble(schema, self.numbers.make(schema), self)
