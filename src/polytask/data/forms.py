"""Which part of somebody's data is what: inputs, labels and ids of arrays, tables, data sets and loaders.

Everything is read once, in the order of the data, so that row ids mean the same wherever the same data are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    default_collate,
)

from ..errors import UserError
from ..task import Task
from .items import Items
from .rows import Inputs
from .tensors import as_input, as_inputs, as_labels, columns_of, is_array, is_frame, matrix

#: Names under which data tell the rows' ids.
IDS = ("ids", "id")
#: Items that are collated at a time to read their labels.
READ_AT_ONCE = 256
FORMS = "(inputs, {task: labels}), a mapping or DataFrame of columns, a Dataset, a DataLoader or Rows"
#: Inputs, labels by task, and the rows' ids if the data have them.
Parts = tuple[Inputs, dict[str, Tensor], Tensor | None]


def read_parts(data: Any, tasks: Sequence[Task], where: str) -> Parts:
    """Inputs, labels and ids of one source."""
    if isinstance(data, tuple) and len(data) == 2:
        inputs, labels, ids = data[0], data[1], None
    elif isinstance(data, DataLoader):
        inputs, labels, ids = _from_loader(data, tasks, where)
    elif isinstance(data, Mapping) or is_frame(data):
        inputs, labels, ids = split_columns(columns_of(data), tasks, where)
    elif isinstance(data, IterableDataset):
        inputs, labels, ids = _from_items(list(data), None, tasks, where)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__") and not is_array(data):
        inputs, labels, ids = _from_items([data[row] for row in range(len(data))], None, tasks, where)
    else:
        raise UserError(f"{where}: expected {FORMS}, found {type(data).__name__}")
    inputs = as_inputs(inputs, where)
    return inputs, as_labels(labels, tasks, where), None if ids is None else as_input(ids, f"{where}: ids")


def split_batch(batch: Any, tasks: Sequence[Task], where: str) -> tuple[Any, Any, Any]:
    """Inputs, labels and ids of what a data set or a collate function gives."""
    if isinstance(batch, Mapping):
        return split_columns(batch, tasks, where)
    if isinstance(batch, tuple | list):
        several, n = len(tasks), len(batch)
        block = n in (2, 3) and (n != several + 1 or several == 1 or _is_block(batch[1]))
        if block:
            return batch[0], batch[1], batch[2] if n == 3 else None
        if n in (several + 1, several + 2):
            names = (task.name for task in tasks)
            ids = batch[several + 1] if n == several + 2 else None
            return batch[0], dict(zip(names, batch[1:], strict=False)), ids
    found = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
    raise UserError(
        f"{where}: expected items or batches (inputs, labels), (inputs, label of each task in turn), each with ids as "
        f"the last part if there are any, or a mapping with the names of the tasks; found {found}"
    )


def _is_block(labels: Any) -> bool:
    """Labels of all tasks in one."""
    return isinstance(labels, Mapping) or getattr(labels, "ndim", 1) > 1


def split_columns(columns: Mapping[str, Any], tasks: Sequence[Task], where: str) -> tuple[Any, Any, Any]:
    """Columns named as tasks are labels, ``ids`` are ids, and all others inputs."""
    names = [task.name for task in tasks]
    labels: Any = {name: columns[name] for name in names if name in columns}
    taken = set(labels)
    if not labels and "labels" in columns:
        labels, taken = columns["labels"], {"labels"}
    if not len(labels):
        raise UserError(f"{where}: no column is named as a task ({', '.join(names)}); found {', '.join(columns)}")
    key = next((key for key in IDS if key in columns and key not in names and _are_ids(columns[key])), None)
    inputs = {name: values for name, values in columns.items() if name not in taken and name != key}
    if not inputs:
        raise UserError(f"{where}: found only labels ({', '.join(labels)}); give the inputs, too")
    ids = None if key is None else columns[key]
    if all(isinstance(values, pa.ChunkedArray) for values in inputs.values()):
        return matrix(inputs, where), labels, ids
    return next(iter(inputs.values())) if len(inputs) == 1 else inputs, labels, ids


def _are_ids(values: Any) -> bool:
    """One whole number per row."""
    if isinstance(values, pa.ChunkedArray):
        return pa.types.is_integer(values.type)
    values = values if isinstance(values, Tensor) else np.asarray(values)
    kind = values.dtype
    whole = not (kind.is_floating_point or kind.is_complex) if isinstance(kind, torch.dtype) else kind.kind in "iu"
    return values.ndim <= 1 and whole


# Data sets and loaders


def _from_loader(loader: DataLoader[Any], tasks: Sequence[Task], where: str) -> tuple[Any, Any, Any]:
    collate = None if loader.collate_fn is default_collate else loader.collate_fn
    if loader.batch_sampler is None:  # the data set gives whole batches
        return _joined([split_batch(batch, tasks, where) for batch in loader], where)
    if isinstance(loader.dataset, IterableDataset):
        return _from_items(list(loader.dataset), collate, tasks, where)
    data: Any = loader.dataset
    return _from_items([data[row] for row in _rows_of(loader, where)], collate, tasks, where)


def _rows_of(loader: DataLoader[Any], where: str) -> Sequence[int]:
    """The rows of a loader's data set, in its order; how rows are drawn is the training's."""
    sampler: Any = loader.sampler
    if type(loader.batch_sampler) is BatchSampler:
        if isinstance(sampler, SubsetRandomSampler):
            return sampler.indices
        plain = isinstance(sampler, SequentialSampler | RandomSampler | DistributedSampler)
        if plain and not getattr(sampler, "replacement", False):
            return range(len(loader.dataset))  # type: ignore[arg-type]
        found = type(sampler).__name__
    else:
        found = type(loader.batch_sampler).__name__
    raise UserError(
        f"{where}: the loader draws rows by {found}, but the training does its own sampling; give the data set instead "
        "of the loader, and use sample weights (`Rows.with_weights`) or the setting `sampling`"
    )


def _from_items(items: list[Any], collate: Any, tasks: Sequence[Task], where: str) -> tuple[Any, Any, Any]:
    """Items of a data set: stacked into tensors, or kept for a collate function of the user's."""
    if not items:
        raise UserError(f"{where}: no rows")
    if collate is None:
        try:
            return split_batch(default_collate([_with_tensors(item) for item in items]), tasks, where)
        except (RuntimeError, TypeError, KeyError) as error:
            raise UserError(
                f"{where}: the items cannot be stacked ({str(error).splitlines()[0]}); give a DataLoader with a "
                "collate function that makes a batch of them"
            ) from None
    chunks = [items[start : start + READ_AT_ONCE] for start in range(0, len(items), READ_AT_ONCE)]
    parts = []
    for chunk in chunks:
        _, labels, ids = split_batch(collate(chunk), tasks, where)
        parts.append((torch.zeros(len(chunk)), labels, ids))
    _, labels, ids = _joined(parts, where)
    return Items(items, _OnlyInputs(collate, tuple(tasks), where)), labels, ids


class _OnlyInputs:
    """A collate function without the labels that it gives."""

    def __init__(self, collate: Any, tasks: Sequence[Task], where: str) -> None:
        self.collate, self.tasks, self.where = collate, tasks, where

    def __call__(self, items: list[Any]) -> Any:
        return split_batch(self.collate(items), self.tasks, self.where)[0]


def _with_tensors(item: Any) -> Any:
    """Lists of numbers, which would be split, as tensors."""
    if isinstance(item, Mapping):
        return {name: _with_tensors(value) for name, value in item.items()}
    if isinstance(item, tuple):
        return tuple(_with_tensors(value) for value in item)
    if isinstance(item, list) and item and all(isinstance(value, Number) for value in item):
        return torch.tensor(item)
    return item


def _joined(parts: Sequence[tuple[Any, Any, Any]], where: str) -> tuple[Any, Any, Any]:
    """Batches one after the other."""
    if not parts:
        raise UserError(f"{where}: no rows")
    inputs, labels, ids = zip(*parts, strict=True)
    known = None if ids[0] is None else _after_one_another(ids, f"{where}: ids")
    return _after_one_another(inputs, f"{where}: inputs"), _after_one_another(labels, f"{where}: labels"), known


def _after_one_another(parts: Sequence[Any], where: str) -> Any:
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: _after_one_another([part[name] for part in parts], where) for name in first}
    if isinstance(first, tuple | list) and not isinstance(first[0] if len(first) else None, str | Number):
        return tuple(_after_one_another(same, where) for same in zip(*parts, strict=True))
    if isinstance(first, tuple | list):
        return [value for part in parts for value in part]
    tensors = [torch.as_tensor(part) for part in parts]
    if any(tensor.ndim == 0 for tensor in tensors):
        raise UserError(f"{where}: expected batches of rows, found single items; give the loader a batch size")
    if any(tensor.shape[1:] != tensors[0].shape[1:] for tensor in tensors):
        shapes = " and ".join(dict.fromkeys(str(list(tensor.shape)) for tensor in tensors))
        raise UserError(f"{where}: batches differ in shape, found {shapes}; pad them to one shape")
    return torch.cat(tensors)
