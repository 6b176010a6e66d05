"""JSON rows to a table, and predictions back to JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from ..data import Schema


def _whole(text: str) -> str:
    """JSON may hold half a surrogate pair, which is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not text: it holds half a surrogate pair") from None
    return text


Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, AfterValidator(_whole)]


def row_model(schema: Schema) -> type[BaseModel]:
    """What one row of a request has to be: every feature of the training table, null where missing.

    Other keys have no effect. Names of columns may be anything, so that fields are known by their aliases.
    """
    fields: dict[str, Any] = {}
    words = set(schema.word_columns)
    for number, name in enumerate(schema.feature_names):
        kind = Text if name in words else Number
        fields[f"column_{number}"] = (kind | None, Field(alias=name))
    return create_model("Row", __config__=ConfigDict(extra="ignore"), **fields)


def as_table(rows: Sequence[BaseModel], schema: Schema) -> pa.Table:
    """Validated rows as the table that a bundle takes."""
    words = set(schema.word_columns)
    columns = {
        name: pa.array(
            [getattr(row, f"column_{number}") for row in rows], pa.string() if name in words else pa.float64()
        )
        for number, name in enumerate(schema.feature_names)
    }
    return pa.table(columns)


def as_json(predictions: pa.Table) -> list[dict[str, Any]]:
    """One object per row; what is no number becomes null."""
    return [
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
        for row in predictions.to_pylist()
    ]
