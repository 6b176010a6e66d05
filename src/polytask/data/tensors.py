"""Arrays and tables of any library as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..errors import UserError
from ..task import Task
from .columns import is_numeric, is_text, numbers
from .rows import Inputs
from .targets import encode_targets


def as_inputs(inputs: Any, where: str) -> Inputs:
    """Inputs with tensors instead of arrays and tables."""
    if isinstance(inputs, Mapping):
        return {name: as_inputs(value, where) for name, value in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(as_inputs(value, where) for value in inputs)
    if isinstance(inputs, list) and not all(isinstance(value, Number) for value in inputs):
        return tuple(as_inputs(value, where) for value in inputs)
    return as_input(inputs, f"{where}: inputs")


def as_input(values: Any, where: str) -> Any:
    """One array or table as a tensor; what is indexed by row like one stays as it is."""
    if isinstance(values, Tensor):
        if values.layout != torch.strided:
            raise UserError(f"{where}: expected a dense tensor, found {values.layout}; call .to_dense()")
        return values
    if is_frame(values):
        return matrix(columns_of(values), where)
    if isinstance(values, list | np.ndarray | pa.ChunkedArray | pa.Array) or hasattr(values, "__array__"):
        return _numbers_of(values, where)
    if all(hasattr(values, name) for name in ("__len__", "__getitem__", "to")):
        return values
    raise UserError(
        f"{where}: expected tensors, arrays or tables, found {type(values).__name__}; give anything else item by item, "
        "in a DataLoader with a collate function"
    )


def _numbers_of(values: Any, where: str) -> Tensor:
    if isinstance(values, pa.ChunkedArray | pa.Array):
        return torch.from_numpy(numbers(pa.chunked_array(values)).astype(_float_type()))
    array = np.asarray(values)
    if array.dtype.kind not in "fiubc":
        raise UserError(f"{where}: expected numbers, found {array.dtype} ({array.flat[0]!r} and others); encode them")
    if array.dtype.kind == "f":
        array = array.astype(_float_type(), copy=False)
    elif array.dtype.kind == "u" and array.dtype != np.uint8:
        array = array.astype(np.int64)
    return torch.from_numpy(np.array(array, order="C") if not array.flags.writeable else np.ascontiguousarray(array))


def _float_type() -> Any:
    """NumPy's and Arrow's numbers are in double precision by default, networks are not."""
    return np.float64 if torch.get_default_dtype() == torch.float64 else np.float32


def is_array(values: Any) -> bool:
    return isinstance(values, Tensor | np.ndarray)


def is_frame(values: Any) -> bool:
    """A table of columns: of pandas, polars, Arrow or anyone who speaks their protocols."""
    return not isinstance(values, Mapping | Tensor | np.ndarray) and (
        isinstance(values, pa.Table | pa.RecordBatch)
        or (hasattr(values, "columns") and (hasattr(values, "__arrow_c_stream__") or hasattr(values, "__dataframe__")))
    )


def columns_of(frame: Any) -> dict[str, Any]:
    """The columns of a table or a mapping by name."""
    if isinstance(frame, Mapping):
        return dict(frame)
    if hasattr(frame, "reset_index"):  # the index of pandas' tables is no column
        frame = frame.reset_index(drop=True)
    if isinstance(frame, pa.Table) or hasattr(frame, "__arrow_c_stream__"):
        table = pa.table(frame)
    else:
        from pyarrow.interchange import from_dataframe

        table = from_dataframe(frame)
    return {name: table[name] for name in table.column_names}


def matrix(columns: Mapping[str, pa.ChunkedArray], where: str) -> Tensor:
    """``[n, D]``: the columns of a table side by side."""
    problems = [
        f"{where}: column {name!r} holds {column.type}, and inputs are numbers; encode it, leave it out, or let the "
        "command `polytask fit` encode the table"
        for name, column in columns.items()
        if not is_numeric(column.type)
    ]
    if not problems:
        values = {name: numbers(column) for name, column in columns.items()}
        problems = [
            f"{where}: column {name!r} has {int(np.isnan(column).sum())} empty cells; fill them, or leave it out"
            for name, column in values.items()
            if np.isnan(column).any()
        ]
    if problems:
        raise UserError(*problems)
    return torch.from_numpy(np.stack(list(values.values()), 1).astype(_float_type()))


def as_labels(labels: Any, tasks: Sequence[Task], where: str) -> dict[str, Tensor]:
    """Labels by task."""
    if isinstance(labels, Mapping) or is_frame(labels):
        by_name = {task.name: task for task in tasks}
        return {name: _label(label, by_name.get(name), where) for name, label in columns_of(labels).items()}
    found = _label(labels, tasks[0] if len(tasks) == 1 else None, where)
    alone = len(tasks) == 1 and (found.ndim == 1 or tasks[0].definition.wide)
    if alone:
        return {tasks[0].name: found}
    if found.ndim == 2 and found.shape[1] == len(tasks) and not any(task.definition.wide for task in tasks):
        return {task.name: found[:, column] for column, task in enumerate(tasks)}
    raise UserError(
        f"{where}: labels of {len(tasks)} tasks: expected {{task: labels}} or an array [n, {len(tasks)}] with a column "
        f"per task, found {list(found.shape)}"
    )


def _label(values: Any, task: Task | None, where: str) -> Tensor:
    """Labels of one task as numbers: words are looked up among its classes, empty cells are NaN."""
    if isinstance(values, Tensor):
        return values
    name = "labels" if task is None else f"labels of task {task.name!r}"
    column = _as_arrow(values, f"{where}: {name}")
    if column is None:
        return torch.as_tensor(np.asarray(values))
    if is_text(column.type):
        if task is None or not task.definition.one_class:
            raise UserError(f"{where}: {name}: expected numbers, found text; give class indices or numbers")
        return encode_targets(pa.table({task.name: column}), [task], where=where)[:, 0]
    if not is_numeric(column.type):
        raise UserError(f"{where}: {name}: expected numbers, found {column.type}; encode them")
    return torch.from_numpy(numbers(column).copy())


def _as_arrow(values: Any, where: str) -> pa.ChunkedArray | None:
    """A column; None for an array that is no column."""
    if isinstance(values, pa.ChunkedArray):
        return values
    if isinstance(values, np.ndarray) and values.ndim != 1:
        return None
    if not isinstance(values, pa.Array | list | tuple | np.ndarray) and not hasattr(values, "__array__"):
        raise UserError(f"{where}: expected an array of labels, found {type(values).__name__}")
    try:
        if hasattr(values, "__arrow_c_stream__"):
            return pa.chunked_array(values)
        return pa.chunked_array([pa.array(values, from_pandas=True)])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return None
