"""Pretrained encoders of texts and images, from Hugging Face's transformers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from torch import nn

from ...data import Schema
from ...pretrained import PretrainedEncoder, dense_layers, make_body, open_checkpoint, per_word
from ...ranges import Count, Range, Share
from ..table_encoder import TableEncoder
from .encoder import Encoder

#: Default factor of the learning rate of a body that trains.
RATE = 0.05


class HF(Encoder):
    """A pretrained network for a column of text (two: sentence pairs) or of images; see ``docs/text-and-images.md``.

    Frozen: its features are computed once, and layers above them train, together with the table's other columns. With
    ``tune: full`` it trains with the heads; features of other columns are concatenated with its features.
    """

    name: ClassVar[str] = "hf"
    extra: ClassVar[str] = "text"
    packages: ClassVar[tuple[str, ...]] = ("transformers",)
    argument: ClassVar[str] = "source"

    source: str = Field(min_length=1, description="folder of a checkpoint, or its name on the Hugging Face hub")
    tune: Literal["frozen", "full"] = Field("frozen", description="frozen: its features are computed once; or full")
    pooling: Literal["mean", "cls"] = Field("mean", description="mean of all tokens or positions, or the first token")
    max_length: Annotated[int | None, Range(4, whole=True)] = Field(
        None, description="most tokens of a text; null: what training rows need"
    )
    size: Annotated[int | None, Range(8, whole=True)] = Field(
        None, description="height and width of images; null: the checkpoint's"
    )
    rate: Annotated[float, Range(more=True)] = Field(
        RATE, description="tune full: its learning rate, as a factor of learning_rate"
    )
    layer_decay: Annotated[float, Range(0, 1, more=True)] = Field(
        1.0, description="tune full: factor of the rate from layer to layer"
    )
    hidden: tuple[Count, ...] = Field((256, 128), min_length=1, description="layers above frozen features, or columns")
    embedding: Count = Field(8, description="length of a category's vector")
    dropout: Share = Field(0.1, description="share of outputs dropped while training")

    @model_validator(mode="after")
    def _has_effect(self) -> HF:
        if self.tune == "frozen" and (self.rate, self.layer_decay) != (RATE, 1.0):
            raise ValueError("rate and layer_decay have an effect only with tune: full")
        return self

    @property
    def frozen(self) -> bool:
        """Its features are inputs."""
        return self.tune == "frozen"

    def described(self) -> str:
        return f"{super().described()} and tune: {self.tune}"

    def ways_of_sharing(self) -> tuple[str, ...]:
        """All around frozen features, which are vectors; a network that trains is shared as a whole."""
        return () if self.frozen else ("hard",)

    def made_from(self) -> dict[str, str]:
        return {**super().made_from(), "checkpoint": open_checkpoint(self.source).digest}

    def schema_options(self) -> dict[str, Any]:
        return {"encoded": open_checkpoint(self.source).reads}

    def build(self, schema: Schema) -> nn.Module:
        checkpoint, items = open_checkpoint(self.source), per_word(schema.tasks)
        others = (schema.numeric_width, schema.categories, len(schema.categorical), schema.text_width)
        layers: dict[str, Any] = {"hidden": self.hidden, "embedding": self.embedding, "dropout": self.dropout}
        first = PretrainedEncoder(
            None if self.frozen else make_body(checkpoint, self.pooling, items=items),
            checkpoint.width,
            TableEncoder(*others, **layers) if any(others) else None,
            hidden=self.hidden[:1] if self.frozen else (),
            dropout=self.dropout,
            items=items,
            rate=self.rate,
            layer_decay=self.layer_decay,
        )
        # A sequence, so that sharing architectures find its stages.
        return nn.Sequential(first, *dense_layers(self.hidden, self.dropout)) if self.frozen else first
