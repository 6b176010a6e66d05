"""Labelled rows from every form in which people have data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import UserError, did_you_mean, raise_all
from ..task import Task
from .data_sets import rows_of_data_sets
from .forms import read_parts
from .rows import Rows

#: What :func:`as_rows` takes.
Data = Any


def as_rows(data: Data, tasks: Sequence[Task], where: str = "data") -> Rows:
    """Labelled rows from any form of data.

    Args:
        data: One of

            - :class:`~polytask.Rows`;
            - ``(inputs, labels)``: tensors, NumPy arrays, DataFrames, or dictionaries and tuples of these. Labels are
              ``{task: [n]}``, a DataFrame, or an array ``[n, K]`` in the order of the tasks;
            - a mapping or a DataFrame of columns: those named as tasks are labels, all others inputs. A single input is
              given to the encoder as it is, several as a dictionary, numbers of a DataFrame as one matrix;
            - a ``torch`` Dataset (or a list) of items ``(input, labels)``, ``(input, label of each task in turn)`` or
              mappings as above, each with the row's id as the last part or under ``ids`` if it has one;
            - a DataLoader of such a data set: its collate function makes every batch. Batch size and order are the
              training's own. Batches of an iterable data set are read to the end;
            - ``{task: data set}``, see :func:`~polytask.rows_of_data_sets`.

            Rows whose ids are given are put in the order of these.
        tasks: In the order of the targets.
        where: What the data are called in messages.

    Raises:
        UserError: If the form is another, a task name is not found, or parts do not fit together.

    Example:
        >>> import numpy as np
        >>> as_rows({"x": np.zeros((3, 2)), "click": [1, 0, None]}, [Task("click")]).label_counts()
        tensor([2])
    """
    if isinstance(data, Rows):
        return data
    if isinstance(data, Mapping) and _of_data_sets(data, tasks):
        return rows_of_data_sets(data, tasks)
    inputs, labels, ids = read_parts(data, tasks, where)
    _check_names(labels, tasks, where)
    rows = Rows.from_labels(inputs, labels, tasks)
    return rows if ids is None else rows.subset(_order_of(ids, len(rows), where))


def _of_data_sets(data: Mapping[Any, Any], tasks: Sequence[Task]) -> bool:
    """``{task: data set}`` rather than columns."""
    names = {task.name for task in tasks}
    keyed = [value for key, value in data.items() if isinstance(key, tuple) or key in names]
    return bool(keyed) and all(
        isinstance(value, tuple | Dataset | DataLoader)
        or (isinstance(value, list) and bool(value) and isinstance(value[0], tuple))
        for value in keyed
    )


def _check_names(labels: Mapping[str, Any], tasks: Sequence[Task], where: str) -> None:
    names = [task.name for task in tasks]
    unknown = [name for name in labels if name not in names]
    raise_all([f"{where}: labels: {name!r} is not one of the tasks; {did_you_mean(name, names)}" for name in unknown])


def _order_of(ids: Tensor, n: int, where: str) -> Tensor:
    """The rows in the order of their ids."""
    if ids.shape != (n,):
        raise UserError(f"{where}: expected one id per row, [{n}], found {list(ids.shape)}")
    found, counts = ids.unique(return_counts=True)
    if len(found) < n:
        raise UserError(
            f"{where}: ids repeat, {n - len(found)} of {n} rows (first {int(found[counts > 1][0])}); give every row a "
            "distinct id, or name the column otherwise if it is an input"
        )
    return ids.argsort()
