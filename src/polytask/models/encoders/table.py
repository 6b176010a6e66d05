"""What encoders for tables have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from .encoder import Encoder
from .numbers import Auto, NumbersOption


class OfTable(Encoder):
    """An encoder of numbers, categories and hashed text."""

    extra: ClassVar[str] = "tables"

    numbers: NumbersOption = Field(
        Auto(), description="auto, linear, periodic or piecewise, or {name: ..., its options}"
    )

    def used_packages(self) -> tuple[str, ...]:
        return *self.packages, "rtdl_num_embeddings"

    def schema_options(self) -> dict[str, Any]:
        return {"bins": self.numbers.bins_wanted}
