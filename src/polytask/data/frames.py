"""Tables in memory, from any library of data frames, as Arrow tables; and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from narwhals.dependencies import is_pandas_dataframe

from ..errors import UserError
from .columns import decoded

FRAMES = "a pandas, polars or Arrow table, a mapping of columns, or a NumPy array with two dimensions"


def arrow_table(frame: Any, where: str = "table") -> pa.Table:
    """An Arrow table from a data frame.

    Args:
        frame: A pandas, polars or Arrow table, or any other that narwhals reads or that offers the Arrow stream
            interface; a mapping of column names to arrays or lists; or an array ``[n, D]``, whose columns are named
            ``x0``, ``x1``, ... as in scikit-learn. A pandas index is no column. As in files, blanks
            around names do not count.
        where: Name of the table in messages.

    Raises:
        UserError: If it is none of these, or a column holds values of several types.

    Example:
        >>> arrow_table({"size": [1.5, 2.0], "colour": ["red", None]}).schema.names
        ['size', 'colour']
        >>> arrow_table(np.zeros((3, 2))).column_names
        ['x0', 'x1']
    """
    try:
        table = _table_of(frame)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, nw.exceptions.NarwhalsError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{where}: this frame cannot be read ({reason}); give every column a distinct name and one type"
        ) from None
    if table is None:
        raise UserError(f"{where}: expected {FRAMES}, found {type(frame).__name__}")
    names = [str(name).strip() for name in table.column_names]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise UserError(f"{where}: several columns have the same name: {', '.join(map(repr, twice[:5]))}; rename them")
    return decoded(table.rename_columns(names))


def _table_of(frame: Any) -> pa.Table | None:
    if isinstance(frame, pa.Table):
        return frame
    if is_pandas_dataframe(frame):
        return _of_pandas(frame)
    if isinstance(frame, Mapping):
        return pa.table({str(name): _column(values) for name, values in frame.items()})
    if isinstance(frame, np.ndarray):
        if frame.dtype.names:
            return pa.table({name: _column(frame[name]) for name in frame.dtype.names})
        return None if frame.ndim != 2 else pa.table({f"x{k}": _column(values) for k, values in enumerate(frame.T)})
    native = nw.from_native(frame, pass_through=True)
    if isinstance(native, nw.LazyFrame):
        native = native.collect()
    if isinstance(native, nw.DataFrame):
        return native.to_arrow()
    return pa.table(frame) if hasattr(frame, "__arrow_c_stream__") else None


def _of_pandas(frame: Any) -> pa.Table:
    """Intervals, periods, and columns of words and numbers are words, as pandas writes them to CSV."""
    spans = [name for name in frame.columns if _is_span(frame.dtypes[name])] if frame.columns.is_unique else []
    try:
        return pa.Table.from_pandas(_with_words(frame, spans), preserve_index=False)
    except (pa.ArrowException, OverflowError):
        mixed = [name for name in frame.select_dtypes(object).columns if _are_cells(frame[name].dropna())]
        if not mixed or not frame.columns.is_unique:
            raise
        return pa.Table.from_pandas(_with_words(frame, [*spans, *mixed]), preserve_index=False)


def _is_span(kind: Any) -> bool:
    name = str(getattr(getattr(kind, "categories", None), "dtype", kind))
    return name.startswith(("interval", "period"))


def _are_cells(values: Any) -> bool:
    """Whether all values are what a cell of CSV can hold."""
    return all(isinstance(value, str | bool | int | float | np.number | np.bool_) for value in values)


def _with_words(frame: Any, names: Sequence[Any]) -> Any:
    frame = frame.copy(deep=False) if names else frame
    for name in names:
        frame[name] = frame[name].astype(object).map(str, na_action="ignore")
    return frame


def _column(values: Any) -> pa.Array | pa.ChunkedArray:
    """NaN among objects is a missing value, as pandas has it; among numbers it is left to the reader."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    values = values if isinstance(values, np.ndarray) else list(values)
    return pa.array(values, from_pandas=not isinstance(values, np.ndarray) or values.dtype == object)


def like(table: pa.Table, frame: Any) -> Any:
    """A table of as many rows as ``frame``, as what ``frame`` is: the same library, and the same index in pandas.

    Args:
        table: The rows, in the order of ``frame``.
        frame: What :func:`arrow_table` read. A mapping gives a dict of arrays, an array an array ``[n, columns]`` (of
            objects if the columns have several types); what knows only the Arrow interface gives an Arrow table.

    Example:
        >>> found = like(pa.table({"price": [2.5, 3.0]}), {"size": [1, 2]})
        >>> found["price"].tolist()
        [2.5, 3.0]
    """
    if isinstance(frame, Mapping):
        return {name: table[name].to_numpy() for name in table.column_names}
    if isinstance(frame, np.ndarray):
        return _stacked([table[name].to_numpy() for name in table.column_names], len(frame))
    native = nw.from_native(frame, pass_through=True)
    if not isinstance(native, nw.DataFrame | nw.LazyFrame) or isinstance(frame, pa.Table):
        return table
    backend = native.implementation if isinstance(native, nw.DataFrame) else native.collect().implementation
    found = nw.from_arrow(table, backend=backend).to_native()
    return found.set_axis(frame.index, axis=0) if is_pandas_dataframe(frame) else found


def _stacked(columns: list[np.ndarray], rows: int) -> np.ndarray:
    numeric = all(column.dtype.kind in "bif" for column in columns)
    return np.stack([column if numeric else column.astype(object) for column in columns], axis=1).reshape(rows, -1)
