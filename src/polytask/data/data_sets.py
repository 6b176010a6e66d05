"""Rows of several data sets, each with labels for its own tasks, as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from ..errors import UserError
from ..task import Task
from .rows import Inputs, Rows, count_rows, map_inputs

#: The task, or the tasks, that a data set has labels for.
Names = str | tuple[str, ...]
#: Makes ``(inputs, labels)`` of a list of all items of a data set.
Collate = Callable[[list[Any]], tuple[Inputs, Any]]


def rows_of_data_sets(
    data_sets: Mapping[Names, Any], tasks: Sequence[Task], collate: Mapping[Names, Collate] | None = None
) -> Rows:
    """One :class:`Rows` from ``{task: data set}``; the numbers of the data sets are in ``source``.

    The mixture of a training is its setting ``sampling``; explicit ratios that sum to the batch size are the batch
    sizes of the data sets.

    Args:
        data_sets: By the task, or the tuple of tasks, that it has labels for: ``(inputs, labels)`` with tensors, or
            anything with a length whose items are ``(input, label)``, such as a ``torch.utils.data.Dataset``, which is
            read once. Labels of several tasks are a dictionary. Inputs of different kinds are dictionaries with names
            of other names: each gets zeros in the rows of the other data sets, and ``source`` is added, ``[n]`` int64.
        tasks: The tasks, in the order of the columns.
        collate: By the same keys how all items of a data set become tensors;
            ``torch.utils.data.default_collate`` otherwise.

    Raises:
        UserError: If a task is not known, a label is missing, or inputs do not fit together.

    Example:
        >>> tasks = [Task("click"), Task("price", kind="regression")]
        >>> clicks = [(torch.ones(2), 1.0), (torch.zeros(2), 0.0), (torch.ones(2), 1.0)]
        >>> rows = rows_of_data_sets({"click": clicks, "price": (torch.zeros(2, 2), torch.tensor([3.0, 4.0]))}, tasks)
        >>> rows.source, rows.label_counts()
        (tensor([0, 0, 0, 1, 1]), tensor([3, 2]))
    """
    if not data_sets:
        raise UserError("data sets: found none; give {task: data set}")
    unused = [str(key) for key in collate or {} if key not in data_sets]
    if unused:
        raise UserError(f"collate: no data set has the key {', '.join(unused)}")
    pairs = [_tensors(key, one, (collate or {}).get(key)) for key, one in data_sets.items()]
    sizes = [count_rows(inputs) for inputs, _ in pairs]
    source = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    names = dict.fromkeys(name for _, labels in pairs for name in labels)
    joined = {name: _label(name, [labels.get(name) for _, labels in pairs], sizes) for name in names}
    rows = Rows.from_labels(_join([inputs for inputs, _ in pairs], sizes, source), joined, tasks)
    return replace(rows, source=source if len(sizes) > 1 else None)


def _tensors(key: Names, data: Any, collate: Collate | None) -> tuple[Inputs, dict[str, Tensor]]:
    """Inputs and labels of one data set."""
    if isinstance(data, tuple) and len(data) == 2 and collate is None:
        inputs, labels = data
    else:
        inputs, labels = (collate or default_collate)([data[place] for place in range(len(data))])
    names = (key,) if isinstance(key, str) else key
    if not isinstance(labels, Mapping):
        labels = dict.fromkeys(names, labels) if len(names) == 1 else {}
    missing = [name for name in names if name not in labels]
    if missing:
        raise UserError(f"data set {key!r}: no labels for {', '.join(missing)}; give them as {{task: labels}}")
    return inputs, {name: torch.as_tensor(labels[name]) for name in names}


def _label(name: str, parts: Sequence[Tensor | None], sizes: Sequence[int]) -> Tensor:
    """The labels of all rows, NaN where a data set has none."""
    shapes = {part.shape[1:] for part in parts if part is not None}
    if len(shapes) > 1:
        raise UserError(f"labels of task {name!r}: shapes differ between data sets, found {sorted(map(list, shapes))}")
    shape = next(iter(shapes))
    filled = zip(parts, sizes, strict=True)
    return torch.cat([torch.full((n, *shape), torch.nan) if part is None else part for part, n in filled])


def _join(inputs: Sequence[Inputs], sizes: Sequence[int], source: Tensor) -> Inputs:
    """Inputs of all data sets one after the other."""
    first = inputs[0]
    if all(isinstance(one, Mapping) for one in inputs):
        names = list(dict.fromkeys(name for one in inputs for name in one))
        if any(set(one) != set(names) for one in inputs):
            if "source" in names:
                raise UserError("inputs: 'source' is the number of the data set here; name the input otherwise")
            inputs = [_with_zeros(one, inputs, names, n) for one, n in zip(inputs, sizes, strict=True)]
            return {name: _join([one[name] for one in inputs], sizes, source) for name in names} | {"source": source}
        return {name: _join([one[name] for one in inputs], sizes, source) for name in names}
    if isinstance(first, tuple | list) and all(isinstance(one, tuple | list) for one in inputs):
        return tuple(_join(parts, sizes, source) for parts in zip(*inputs, strict=True))
    if not all(isinstance(one, Tensor) and one.shape[1:] == first.shape[1:] for one in inputs):
        found = ", ".join(str(list(one.shape)) if isinstance(one, Tensor) else type(one).__name__ for one in inputs)
        raise UserError(f"inputs: data sets differ ({found}); give each as a dictionary with distinct names")
    return torch.cat(list(inputs))


def _with_zeros(one: Inputs, all_inputs: Sequence[Inputs], names: Sequence[str], n: int) -> dict[str, Inputs]:
    """A data set's inputs, with zeros for those that only others have."""

    def zeros(name: str) -> Inputs:
        like = next(other[name] for other in all_inputs if name in other)
        return map_inputs(like, lambda leaf: leaf.new_zeros(n, *leaf.shape[1:]))

    return {name: one[name] if name in one else zeros(name) for name in names}
