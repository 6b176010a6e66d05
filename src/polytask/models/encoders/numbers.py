"""Embeddings of numbers: the key ``numbers`` of encoders for tables."""

from __future__ import annotations

import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from ...ranges import Count, Range, refuse_absurd

if TYPE_CHECKING:
    from torch import nn

    from ...data import Schema
    from ...data.features import NumericColumn
    from .number_vectors import NumberVectors

#: Length of a number's vector unless the user or the encoder overrides it.
WIDTH = 16
#: Most inputs of the first layer, and most bins over all columns, that ``auto`` makes of numbers: 128 columns of 16
#: inputs, and 256 columns of 32 bins.
MOST_INPUTS, MOST_BINS = 2048, 8192
#: Training rows that a bin of ``auto`` holds at least, where that leaves more than so many bins.
ROWS_PER_BIN, FEW_BINS = 8, 8


class _WhenUsed(ModuleType):
    """A module that is loaded when something of it is needed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def _package() -> ModuleType:
    """``rtdl_num_embeddings``; scikit-learn's trees, one of its ways to find bins, take half a second to load."""
    if sys.modules.keys() & {"rtdl_num_embeddings", "sklearn.tree"}:
        return import_module("rtdl_num_embeddings")
    sys.modules["sklearn.tree"] = None  # type: ignore[assignment]  # as if not installed, which the package allows
    try:
        package = import_module("rtdl_num_embeddings")
    finally:
        del sys.modules["sklearn.tree"]
    package.sklearn_tree = _WhenUsed("sklearn.tree")  # type: ignore[attr-defined]
    return package


class NumberEmbedding(BaseModel, ABC):
    """How numbers enter a network, with its options."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    _no_absurd_numbers = field_validator("*")(refuse_absurd)

    @property
    def bins_wanted(self) -> int:
        """Bins whose edges :meth:`polytask.data.Schema.fit` is to find; 0 for none."""
        return 0

    @abstractmethod
    def make(self, schema: Schema, width: int | None = None) -> NumberVectors | None:
        """The module for the columns of numbers; None if none is to be embedded.

        Args:
            schema: Of the table.
            width: Length of the vectors where the encoder prescribes it: a vector then stands for every number.
        """


class OneKind(NumberEmbedding):
    """One kind of embedding for all columns that can use it."""

    def make(self, schema: Schema, width: int | None = None) -> NumberVectors | None:
        from .number_vectors import NumberVectors

        columns = schema.numbers
        at = [place for place, column in enumerate(columns) if width or self._embeds(column)]
        size = width or getattr(self, "width", None) or WIDTH
        chosen = [columns[place] for place in at]
        return NumberVectors(self._module(chosen, size), at, schema.numeric_width, size) if at else None

    def _embeds(self, column: NumericColumn) -> bool:
        """Whether a column becomes a vector where the encoder does not need one."""
        return True

    @abstractmethod
    def _module(self, columns: Sequence[NumericColumn], width: int) -> nn.Module: ...


class Linear(OneKind):
    """Standardised numbers as they are; a linear map of each where an encoder needs vectors."""

    name: Literal["linear"]

    def _embeds(self, column: NumericColumn) -> bool:
        return False

    def _module(self, columns: Sequence[NumericColumn], width: int) -> nn.Module:
        return _package().LinearEmbeddings(len(columns), width)


class Periodic(OneKind):
    """``relu(W [cos v, sin v] + b)`` with ``v = 2 pi c x`` and trained frequencies c; W is common to all columns.

    Source:
        Y. Gorishniy, I. Rubachev, A. Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS
        2022, arXiv:2203.05556, Section 3.3; the common W ("lite") is that of TabR, arXiv:2307.14338.
    """

    name: Literal["periodic"]
    width: Count | None = Field(None, description=f"length of a number's vector; null: {WIDTH}")
    frequencies: Count = Field(24, description="frequencies of every column")
    scale: Annotated[float, Range(more=True)] = Field(
        0.1, description="standard deviation of the frequencies at the start"
    )

    def _module(self, columns: Sequence[NumericColumn], width: int) -> nn.Module:
        return _package().PeriodicEmbeddings(
            len(columns), width, n_frequencies=self.frequencies, frequency_init_scale=self.scale, lite=True
        )


class Piecewise(OneKind):
    """Piecewise linear in bins that hold equally many training rows.

    Source:
        The same paper, Sections 3.2.1 and 3.2.2, in the form of TabM (version B), arXiv:2410.24210.
    """

    name: Literal["piecewise"]
    width: Count | None = Field(None, description=f"length of a number's vector; null: {WIDTH}")
    bins: Annotated[int, Range(2, whole=True)] = Field(32, description="most bins of a column")

    @property
    def bins_wanted(self) -> int:
        return self.bins

    def _embeds(self, column: NumericColumn) -> bool:
        return len(column.edges) > 2  # with one bin the function would be linear

    def _module(self, columns: Sequence[NumericColumn], width: int) -> nn.Module:
        import torch

        from .number_vectors import PerColumn

        edges = [torch.tensor(fewer_edges(column.edges, self.bins), dtype=torch.float32) for column in columns]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*just two bin edges")  # of tokens all columns are
            embedding = _package().PiecewiseLinearEmbeddings(edges, width, activation=False, version="B")
        embedding.linear = PerColumn(*embedding.linear.weight.shape)
        return embedding


class Auto(NumberEmbedding):
    """``piecewise`` with its defaults; of few rows with fewer bins, which would be learned by heart; of many columns
    each has a shorter vector and fewer bins, so that the cost of a step is bounded and no number of columns changes the
    kind of network. Only beyond 4,096 columns, where not even two bins are left for each, do numbers enter as they are.
    """

    name: Literal["auto"] = "auto"

    @property
    def bins_wanted(self) -> int:
        return _PIECEWISE.bins_wanted

    def make(self, schema: Schema, width: int | None = None) -> NumberVectors | None:
        bent = sum(_PIECEWISE._embeds(column) for column in schema.numbers)
        bins = min(_PIECEWISE.bins, MOST_BINS // max(1, bent))
        if schema.rows:
            bins = min(bins, max(FEW_BINS, schema.rows // ROWS_PER_BIN))
        if bins < 2:
            return _LINEAR.make(schema, width)
        return Piecewise(name="piecewise", width=min(WIDTH, max(1, MOST_INPUTS // max(1, bent))), bins=bins).make(
            schema, width
        )


def fewer_edges(edges: Sequence[float], bins: int) -> Sequence[float]:
    """Edges of at most this many bins: the outer ones, and as many between them as there is room for.

    Example:
        >>> fewer_edges((0, 1, 2, 3, 4), 2), fewer_edges((0, 1, 2), 8)
        ((0, 2, 4), (0, 1, 2))
    """
    last = len(edges) - 1
    return edges if last <= bins else tuple(edges[round(place * last / bins)] for place in range(bins + 1))


_LINEAR, _PIECEWISE = Linear(name="linear"), Piecewise(name="piecewise")


def _with_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else dict(value) if isinstance(value, Mapping) else value


#: A name, or ``{name: ..., its options}``.
NumbersOption = Annotated[
    Auto | Linear | Periodic | Piecewise,
    BeforeValidator(_with_name),
    Field(discriminator="name", validate_default=True),
]
