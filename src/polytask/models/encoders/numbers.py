"""Embeddings of numbers: the key ``numbers`` of encoders for tables."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from torch import Tensor, nn

from ...data import Schema

#: Length of a number's vector unless the user or the encoder says otherwise.
WIDTH = 16


class Numbers(nn.Module):
    """A vector for every number.

    Args:
        embedding: From ``[B, columns]`` to ``[B, columns, width]``.
        columns: Number of columns.
        width: Length of the vectors.
    """

    def __init__(self, embedding: nn.Module, columns: int, width: int) -> None:
        super().__init__()
        self.embedding, self.columns, self.width = embedding, columns, width

    def forward(self, numbers: Tensor) -> Tensor:
        return self.embedding(numbers)


class PerColumn(nn.Module):
    """A linear map for every column, 0 at the start; the package's own cannot be exported for any number of rows.

    Example:
        >>> PerColumn(5, 3, 2)(torch.ones(4, 5, 3)).shape
        torch.Size([4, 5, 2])
    """

    def __init__(self, columns: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(columns, in_features, out_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.bmm(x.transpose(0, 1), self.weight).transpose(0, 1)


class NumberEmbedding(BaseModel, ABC):
    """Options of an embedding."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    packages: ClassVar[tuple[str, ...]] = ("rtdl_num_embeddings",)

    @property
    def bins_wanted(self) -> int:
        """Bins whose edges :meth:`polytask.data.Schema.fit` is to find; 0 for none."""
        return 0

    def make(self, schema: Schema, width: int | None = None) -> Numbers | None:
        """The module for the columns of numbers; None if there are none, or if numbers enter as they are.

        Args:
            schema: Of the table.
            width: Length of the vectors where the encoder prescribes it.
        """
        columns = len(schema.numeric)
        size = width or getattr(self, "width", None) or WIDTH
        return Numbers(self._module(schema, size), columns, size) if columns else None

    @abstractmethod
    def _module(self, schema: Schema, width: int) -> nn.Module: ...


class Linear(NumberEmbedding):
    """Standardised numbers as they are; where an encoder needs vectors, a linear map of each."""

    packages: ClassVar[tuple[str, ...]] = ()
    name: Literal["linear"] = "linear"

    def make(self, schema: Schema, width: int | None = None) -> Numbers | None:
        return super().make(schema, width) if width else None

    def _module(self, schema: Schema, width: int) -> nn.Module:
        from rtdl_num_embeddings import LinearEmbeddings

        return LinearEmbeddings(len(schema.numeric), width)


class Periodic(NumberEmbedding):
    """``relu(W [cos v, sin v] + b)`` with ``v = 2 pi c x`` and trained frequencies c; W is common to all columns.

    Source:
        Y. Gorishniy, I. Rubachev, A. Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS
        2022, arXiv:2203.05556, Section 3.3; the common W ("lite") is that of TabR, arXiv:2307.14338.
    """

    name: Literal["periodic"]
    width: int | None = Field(None, ge=1, description=f"length of a number's vector; null: {WIDTH}")
    frequencies: int = Field(24, ge=1, description="frequencies of every column")
    scale: float = Field(0.1, gt=0, description="standard deviation of the frequencies at the start")

    def _module(self, schema: Schema, width: int) -> nn.Module:
        from rtdl_num_embeddings import PeriodicEmbeddings

        return PeriodicEmbeddings(
            len(schema.numeric), width, n_frequencies=self.frequencies, frequency_init_scale=self.scale, lite=True
        )


class Piecewise(NumberEmbedding):
    """Piecewise linear in bins that hold equally many training rows.

    Source:
        The same paper, Sections 3.2.1 and 3.2.2, in the form of TabM (version B), arXiv:2410.24210.
    """

    name: Literal["piecewise"]
    width: int | None = Field(None, ge=1, description=f"length of a number's vector; null: {WIDTH}")
    bins: int = Field(32, ge=2, description="most bins of a column")

    @property
    def bins_wanted(self) -> int:
        return self.bins

    def _module(self, schema: Schema, width: int) -> nn.Module:
        from rtdl_num_embeddings import PiecewiseLinearEmbeddings

        edges = [torch.tensor(column.edges, dtype=torch.float32) for column in schema.numeric]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*just two bin edges")  # columns of 0 and 1 are common
            embedding = PiecewiseLinearEmbeddings(edges, width, activation=False, version="B")
        embedding.linear = PerColumn(*embedding.linear.weight.shape)
        return embedding


def _with_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else dict(value) if isinstance(value, Mapping) else value


#: A name, or ``{name: ..., its options}``.
NumbersOption = Annotated[
    Linear | Periodic | Piecewise, BeforeValidator(_with_name), Field(discriminator="name", validate_default=True)
]
