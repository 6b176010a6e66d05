"""Weights of samples, from columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..errors import did_you_mean, raise_all
from .columns import is_text, numbers
from .features import number_column
from .roles import weight_columns


def check_weights(table: pa.Table, given: str | Mapping[str, str] | None, *, where: str) -> list[str]:
    """Problems of the columns: unknown ones, cells that are no weights, and nothing but 0."""
    problems = []
    for name in weight_columns(given):
        if name not in table.column_names:
            known = table.column_names
            problems.append(f"{where}: there is no column {name!r} (sample weight); {did_you_mean(name, known)}")
            continue
        at = f"{where}: sample weight {name!r}"
        values = _numbers(table[name], at)
        wrong = ~((values >= 0) & (values <= np.finfo(np.float32).max))
        if wrong.any():
            first = int(wrong.argmax())
            found = "an empty cell" if np.isnan(values[first]) else f"{values[first]:g}"
            found += ", more than single precision holds," if values[first] > 0 else ""
            problems.append(
                f"{at}: expected numbers of at least 0, found {found} in row {first + 1} "
                f"({int(wrong.sum())} such rows); correct them, or give rows that should not count the weight 0"
            )
        elif not values.any():
            problems.append(f"{at}: every row has the weight 0: nothing to learn; give some rows a weight above 0")
    return problems


def _numbers(column: pa.ChunkedArray, at: str) -> np.ndarray:
    return numbers(number_column(column, at) if is_text(column.type) else column)


def sample_weights(
    table: pa.Table, given: str | Mapping[str, str], targets: Sequence[str], *, where: str = "table"
) -> Tensor:
    """``[n, 1]`` weights of the rows from a column for all tasks, ``[n, K]`` from one by the name of the task.

    A task that is not named has weights of 1.

    Raises:
        UserError: See :func:`check_weights`.

    Example:
        >>> sample_weights(pa.table({"trust": [1.0, 0.5]}), {"price": "trust"}, ["click", "price"])
        tensor([[1.0000, 1.0000],
                [1.0000, 0.5000]])
    """
    raise_all(check_weights(table, given, where=where))
    values = {name: torch.tensor(_numbers(table[name], where), dtype=torch.float32) for name in weight_columns(given)}
    if isinstance(given, str):
        return values[given][:, None]
    ones = torch.ones(len(table))
    return torch.stack([values[given[target]] if target in given else ones for target in targets], 1)
