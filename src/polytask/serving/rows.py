"""JSON rows to a table, and predictions back to JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from ..data import Schema
from ..data.molecules import invalid


def _whole(text: str) -> str:
    """JSON may hold half a surrogate pair, which is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not text: it holds half a surrogate pair") from None
    return text


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("is not base64") from None


def _molecule(text: str) -> str:
    if text.strip() and invalid(pa.array([text.strip()]))[0]:
        raise ValueError("is not a molecule that RDKit can read")
    return text


Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, AfterValidator(_whole)]
Moment = Annotated[
    Annotated[float, Field(strict=True)] | Text,
    Field(description="a date as text (ISO), or seconds or milliseconds since 1970", union_mode="left_to_right"),
]
Molecule = Annotated[Text, AfterValidator(_molecule), Field(description="a molecule as SMILES")]
Image = Annotated[str, AfterValidator(_decoded), Field(description="a PNG, JPEG or WebP file as base64")]


def column_types(schema: Schema, images: Collection[str] = ()) -> dict[str, tuple[Any, pa.DataType]]:
    """What a cell of every feature is in a request and in a table."""
    kinds: dict[str, tuple[Any, pa.DataType]] = {name: (Number, pa.float64()) for name in schema.feature_names}
    kinds |= {column.name: (Moment, pa.string()) for column in schema.temporal}
    kinds |= {name: (Text, pa.string()) for name in schema.word_columns}
    kinds |= {column.name: (Molecule, pa.string()) for column in schema.molecules}
    return kinds | {name: (Image, pa.binary()) for name in images}


def row_model(types: Mapping[str, tuple[Any, pa.DataType]]) -> type[BaseModel]:
    """What one row of a request has to be: every feature of the training table, null where missing.

    Other keys have no effect. Names of columns may be anything, so that fields are known by their aliases.
    """
    fields: dict[str, Any] = {
        f"column_{number}": (kind | None, Field(alias=name)) for number, (name, (kind, _)) in enumerate(types.items())
    }
    return create_model("Row", __config__=ConfigDict(extra="ignore"), **fields)


def as_table(rows: Sequence[BaseModel], types: Mapping[str, tuple[Any, pa.DataType]]) -> pa.Table:
    """Validated rows as the table that a bundle takes."""
    columns = {
        name: pa.array([_cell(getattr(row, f"column_{number}"), type_) for row in rows], type_)
        for number, (name, (_, type_)) in enumerate(types.items())
    }
    return pa.table(columns)


def _cell(value: Any, kind: pa.DataType) -> Any:
    """Numbers where text is possible, too: seconds since 1970."""
    return f"{value:.6f}" if pa.types.is_string(kind) and isinstance(value, float) else value


def as_json(predictions: pa.Table) -> list[dict[str, Any]]:
    """One object per row; what is no number becomes null."""
    return [
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
        for row in predictions.to_pylist()
    ]
