"""Target columns whose cells are sets of labels (`multilabel`): ``a;b;c`` in text, or a list in Parquet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..errors import UserError
from ..task import Task
from .cells import joined, word_counts, word_places
from .columns import coded

#: Between the labels of a cell. A cell of nothing else is the empty set; an empty cell says nothing.
SEPARATOR = ";"
#: An item of a list: in single or double quotes, or without.
_ITEM = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"\s][^,]*)""")


def labels_of(cell: str) -> list[str]:
    """The labels of one cell.

    Lists as Python and pandas write them into files of text are taken apart, too.

    Example:
        >>> labels_of("red; blue"), labels_of(";"), labels_of("['red', 'dark blue']"), labels_of("[]")
        (['red', 'blue'], [], ['red', 'dark blue'], [])
    """
    if cell.startswith("[") and cell.endswith("]"):
        return [word for parts in _ITEM.findall(cell[1:-1]) if (word := "".join(parts).strip())]
    return [label for part in cell.split(SEPARATOR) if (label := part.strip())]


def cell_of(labels: Sequence[str]) -> str:
    """The inverse of :func:`labels_of`."""
    return SEPARATOR.join(labels) or SEPARATOR


def infer_labels(column: pa.ChunkedArray, at: str) -> tuple[tuple[str, ...], str]:
    """The labels of a column in sorted order, and what was found, for the user to read.

    Raises:
        UserError: If there is no label; ``at`` names the column.

    Example:
        >>> infer_labels(pa.chunked_array([["a;b", "b", "", ";"]]), "tags")
        (('a', 'b'), 'sets of 2 labels, 1.0 per row')
    """
    counts, per_row = word_counts(coded(_cells_of(column)), lambda cell: dict.fromkeys(labels_of(cell)))
    if not counts:
        raise UserError(f"{at}: no row has a label; expected cells such as a{SEPARATOR}b")
    return tuple(sorted(counts)), f"sets of {len(counts)} labels, {per_row:.1f} per row"


def encode_label_sets(
    table: pa.Table, tasks: Sequence[Task], *, where: str = "table", partial: bool = False
) -> dict[int, Tensor]:
    """``[n, L]`` float32 of every task of this kind, by its position: 1 and 0, NaN in rows without a set.

    Args:
        table: See :func:`~polytask.data.encode_targets`.
        tasks: Likewise.
        where: Likewise.
        partial: Likewise.

    Raises:
        UserError: If a cell holds a label that the task does not know.

    Example:
        >>> table = pa.table({"tags": ["a;b", "b", None]})
        >>> encode_label_sets(table, [Task("tags", kind="multilabel", classes=("a", "b"))])
        {0: tensor([[1., 1.],
                [0., 1.],
                [nan, nan]])}
    """
    return {
        position: torch.from_numpy(encode_sets(table[task.name], task, f"{where}: target {task.name!r}"))
        if task.name in table.column_names or not partial
        else torch.full((table.num_rows, len(task.classes)), torch.nan)
        for position, task in enumerate(tasks)
        if task.kind == "multilabel"
    }


def label_columns(targets: Tensor, wide: Mapping[int, Tensor], tasks: Sequence[Task]) -> tuple[np.ndarray, list[Task]]:
    """All targets as columns of one number each: every label of a set becomes a binary task; tags are left out.

    Args:
        targets: ``[n, K]`` with NaN where there is no label.
        wide: From :func:`encode_label_sets`.
        tasks: The K tasks.

    Returns:
        ``[n, C]`` with NaN, and the C tasks.
    """
    columns: list[Tensor] = []
    found: list[Task] = []
    for position, task in enumerate(tasks):
        if task.kind == "tags":  # of words, not of rows
            continue
        if position in wide:
            columns += wide[position].unbind(1)
            found += [Task(f"{task.name}: {label}") for label in task.classes]
        else:
            columns.append(targets[:, position])
            found.append(task)
    return (torch.stack(columns, 1) if columns else targets[:, :0]).numpy(), found


def encode_sets(column: pa.ChunkedArray, task: Task, at: str) -> np.ndarray:
    """``[n, L]`` float32 of one column, see :func:`encode_label_sets`; ``at`` names it in messages."""
    cells = coded(_cells_of(column))
    places = word_places(cells, labels_of, task.classes, at, "labels")
    sets = np.zeros((len(places) + 1, len(task.classes)), np.float32)
    sets[-1] = np.nan  # rows without a set have the index -1
    for number, labels in enumerate(places):
        sets[number, labels] = 1
    return sets[cells.index]


def _cells_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists as cells of text; text as it is."""
    return joined(column, SEPARATOR, empty=SEPARATOR)
