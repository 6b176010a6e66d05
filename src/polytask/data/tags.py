"""Target columns with a tag for every word of a text (`tags`): ``O B-city I-city``, or a list in Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..errors import UserError
from ..task import Task
from .cells import joined, word_counts, word_places
from .columns import coded
from .problems import collected


def infer_tags(column: pa.ChunkedArray, at: str) -> tuple[tuple[str, ...], str]:
    """The tags of a column in sorted order, and what was found, for the user to read.

    Raises:
        UserError: If there are not at least two; ``at`` names the column.

    Example:
        >>> infer_tags(pa.chunked_array([["O B-city", "O", ""]]), "slots")
        (('B-city', 'O'), '2 tags, one per word, 1.5 per row')
    """
    counts, per_row = word_counts(coded(joined(column, " ")), str.split)
    if len(counts) < 2:
        found = f"every tag is {next(iter(counts))!r}" if counts else "no row has any"
        raise UserError(f"{at}: {found}; expected cells with a tag for every word, such as: O B-city I-city")
    return tuple(sorted(counts)), f"{len(counts)} tags, one per word, {per_row:.1f} per row"


def encode_tags(
    table: pa.Table, tasks: Sequence[Task], *, where: str = "table", partial: bool = False
) -> dict[int, Tensor]:
    """``[n, W]`` float32 of every task of this kind, by its position: places of classes, NaN behind the last tag.

    Args:
        table: See :func:`~polytask.data.encode_targets`.
        tasks: Likewise.
        where: Likewise.
        partial: Likewise.

    Raises:
        UserError: If a cell holds a tag that the task does not know.

    Example:
        >>> table = pa.table({"slots": ["O B", "", "B"]})
        >>> encode_tags(table, [Task("slots", kind="tags", classes=("B", "O"))])
        {0: tensor([[1., 0.],
                [nan, nan],
                [0., nan]])}
    """
    return {
        position: torch.from_numpy(encode_cells(table[task.name], task, f"{where}: target {task.name!r}"))
        if task.name in table.column_names or not partial
        else torch.full((table.num_rows, 1), torch.nan)
        for position, task in enumerate(tasks)
        if task.kind == "tags"
    }


def encode_cells(column: pa.ChunkedArray, task: Task, at: str) -> np.ndarray:
    """``[n, W]`` float32 of one column, see :func:`encode_tags`; ``at`` names it in messages."""
    cells = coded(joined(column, " "))
    places = word_places(cells, str.split, task.classes, at, "tags")
    found = np.full((len(places) + 1, max([1, *map(len, places)])), np.nan, np.float32)  # the last: rows without
    for number, tags in enumerate(places):
        found[number, : len(tags)] = tags
    return found[cells.index]


def for_words(
    tags: Mapping[int, Tensor], texts: Sequence[str], tasks: Sequence[Task], *, where: str = "table"
) -> dict[int, Tensor]:
    """The same with a place for every word of the longest text.

    Args:
        tags: From :func:`encode_tags`.
        texts: ``[n]``, words are what stands between blanks.
        tasks: The tasks.
        where: Name of the table in messages.

    Raises:
        UserError: If a row has another number of tags than of words.

    Example:
        >>> tasks = [Task("slots", kind="tags", classes=("B", "O"))]
        >>> for_words({0: torch.tensor([[1.0], [torch.nan]])}, ["here", "two words"], tasks)
        {0: tensor([[1., nan],
                [nan, nan]])}
    """
    words = torch.tensor([len(text.split()) for text in texts])
    width = max(1, int(words.max())) if len(words) else 1
    problems: list[str] = []
    found = {}
    for position, values in tags.items():
        counts = (~torch.isnan(values)).sum(1)
        wrong = ((counts > 0) & (counts != words)).nonzero()[:, 0].tolist()
        with collected(problems):
            if wrong:
                row = wrong[0]
                raise UserError(
                    f"{where}: target {tasks[position].name!r}: {len(wrong)} rows have another number of tags than of "
                    f"words, first row {row + 1}: {int(counts[row])} tags for {int(words[row])} words "
                    f"({texts[row][:60]!r}); give every word, by blanks, its tag, or empty the cell"
                )
        found[position] = torch.nn.functional.pad(
            values[:, :width], (0, max(0, width - values.shape[1])), value=torch.nan
        )
    if problems:
        raise UserError(*problems)
    return found


def tags_of(places: np.ndarray, classes: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Cells from predicted places of classes ``[n, W]``: a tag for every word of the row's text.

    Example:
        >>> tags_of(np.array([[1, 0, 1], [1, 1, 1]]), ("B", "O"), ["to Boston", "now"])
        ['O B', 'O']
    """
    return [
        " ".join(classes[place] for place in row[: len(text.split())])
        for row, text in zip(places.tolist(), texts, strict=True)
    ]
