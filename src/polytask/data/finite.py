"""Inputs, labels and predictions that are not finite are refused where they enter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from .rows import NUMBERS_AT_ONCE, Rows
from .sparse import SparseRows


def finite_problems(rows: Rows, what: str) -> list[str]:
    """What is not finite in inputs and labels, as sentences; NaN labels have become "no label" before.

    Args:
        rows: The rows. What lies in a file was checked when the file was made.
        what: Their name, such as ``train``.

    Example:
        >>> finite_problems(Rows(torch.tensor([[1.0], [float("nan")]]), torch.zeros(2, 1), None), "train")
        ['train: inputs hold nan in row 1 (1 of 2 rows are not finite); fill or remove such values']
    """
    problems = [
        f"{what}: {path} {_found(leaf, bad)}; fill or remove such values"
        for path, leaf in _leaves(rows.inputs, "inputs")
        if len(bad := rows_not_finite(leaf))
    ]
    if len(bad := rows_not_finite(rows.targets)):
        problems.append(f"{what}: targets {_found(rows.targets, bad)}; mark labels that are missing as NaN in labels")
    if rows.weights is not None and len(bad := rows_not_finite(rows.weights)):
        problems.append(f"{what}: weights {_found(rows.weights, bad)}")
    return problems


def rows_not_finite(values: Tensor) -> Tensor:
    """``[m]`` ascending numbers of the rows of a tensor that hold NaN or infinity.

    Example:
        >>> rows_not_finite(torch.tensor([[0.0, 1.0], [float("inf"), 0.0]]))
        tensor([1])
    """
    if not values.is_floating_point() or not values.numel():
        return torch.zeros(0, dtype=torch.long)
    size = max(1, NUMBERS_AT_ONCE // max(1, values[0].numel()))
    parts = [torch.isfinite(part.reshape(len(part), -1)).all(1).logical_not().cpu() for part in values.split(size)]
    return torch.cat(parts).nonzero()[:, 0]


def _found(values: Tensor, bad: Tensor) -> str:
    first = values[int(bad[0])].flatten()
    found = float(first[~torch.isfinite(first)][0])
    return f"hold {found:g} in row {int(bad[0])} ({len(bad)} of {len(values)} rows are not finite)"


def _leaves(inputs: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    """Tensors in memory with their paths."""
    if isinstance(inputs, Mapping):
        for name, part in inputs.items():
            yield from _leaves(part, f"{path}[{name!r}]")
    elif isinstance(inputs, tuple | list):
        for number, part in enumerate(inputs):
            yield from _leaves(part, f"{path}[{number}]")
    elif isinstance(inputs, Tensor):
        yield path, inputs
    elif isinstance(inputs, SparseRows):
        yield f"{path} (stored values)", inputs.values
