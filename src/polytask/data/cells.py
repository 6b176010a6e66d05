"""Columns with several words in a cell: what sets of labels and tags have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from ..errors import UserError
from ..task import Task
from ..task.kind import WordsKind
from .columns import Coded, coded

#: The words of one cell.
WordsOf = Callable[[str], Iterable[str]]


def joined(column: pa.ChunkedArray, separator: str, empty: str = "") -> pa.ChunkedArray:
    """Lists as cells of text, those without members as ``empty``; text as it is. A null in a list is no member.

    Example:
        >>> joined(pa.chunked_array([[["a", "b"], [], ["a", None], None]]), ";", ";").to_pylist()
        ['a;b', ';', 'a', None]
    """
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return column
    lists = column.cast(pa.list_(pa.string()))
    if pc.list_flatten(lists).null_count:
        cells = [cell and [word for word in cell if word is not None] for cell in lists.to_pylist()]
        lists = pa.chunked_array([pa.array(cells, lists.type)])
    return pc.if_else(pc.equal(pc.list_value_length(lists), 0), empty, pc.binary_join(lists, separator))


def word_counts(cells: Coded, words_of: WordsOf) -> tuple[Counter[str], float]:
    """How often each word stands in the rows, and words per row that is not empty (NaN if all are).

    Example:
        >>> from polytask.data.columns import coded
        >>> word_counts(coded(pa.chunked_array([["O B", "O B", ""]])), str.split)
        (Counter({'O': 2, 'B': 2}), 2.0)
    """
    counts: Counter[str] = Counter()
    for cell, rows in zip(cells.words.to_pylist(), cells.counts().tolist(), strict=True):
        for word in words_of(cell):
            counts[word] += rows
    filled = int((cells.index >= 0).sum())
    return counts, counts.total() / filled if filled else float("nan")


def word_places(cells: Coded, words_of: WordsOf, known: Sequence[str], at: str, what: str) -> list[list[int]]:
    """For every distinct cell the positions of its words in ``known``.

    Args:
        cells: The column.
        words_of: Takes a cell apart.
        known: The words there are.
        at: Names the column in messages.
        what: Names the words in messages, such as labels.

    Raises:
        UserError: If a cell holds another word.

    Example:
        >>> from polytask.data.columns import coded
        >>> word_places(coded(pa.chunked_array([["O B", "B"]])), str.split, ("B", "O"), "t", "tags")
        [[1, 0], [0]]
    """
    place = {word: index for index, word in enumerate(known)}
    found = []
    for number, cell in enumerate(cells.words.to_pylist()):
        words = list(words_of(cell))
        unknown = [word for word in words if word not in place]
        if unknown:
            where = cells.example(np.arange(len(cells.words)) == number)
            names = ", ".join(known[:20])
            raise UserError(f"{at}: {unknown[0]!r} in {where} is not one of its {what} ({names}); correct or empty it")
        found.append([place[word] for word in words])
    return found


def infer_words(column: pa.ChunkedArray, kind: WordsKind, at: str) -> tuple[tuple[str, ...], str]:
    """The classes of a column, and what was found, for the user to read.

    Raises:
        UserError: If there are too few; ``at`` names the column.

    Example:
        >>> from polytask.task import KINDS
        >>> infer_words(pa.chunked_array([["a;b", "b", "", ";"]]), KINDS["multilabel"], "topics")
        (('a', 'b'), 'sets of 2 labels, 1.0 per row')
        >>> infer_words(pa.chunked_array([["O B-city", "O", ""]]), KINDS["tags"], "slots")
        (('B-city', 'O'), '2 tags, one per word, 1.5 per row')
    """
    return kind.infer(*word_counts(coded(joined(column, kind.separator, kind.empty)), kind.words_of), at)


def encode_words(column: pa.ChunkedArray, task: Task, at: str) -> np.ndarray:
    """``[n, L]`` float32 targets of a column with several words in a cell, NaN behind the last and in rows without.

    Raises:
        UserError: If a cell holds a word that the task does not know; ``at`` names the column.
    """
    kind = task.definition
    assert isinstance(kind, WordsKind)
    cells = coded(joined(column, kind.separator, kind.empty))
    places = word_places(cells, kind.words_of, task.classes, at, kind.words)
    targets = [kind.target_of(row, len(task.classes)) for row in places]
    length = kind.length(len(task.classes)) or max([1, *map(len, targets)])
    found = np.full((len(targets) + 1, length), np.nan, np.float32)  # the last: rows without, whose index is -1
    for number, row in enumerate(targets):
        found[number, : len(row)] = row
    return found[cells.index]


def encode_wide(
    table: pa.Table, tasks: Sequence[Task], *, where: str = "table", partial: bool = False
) -> dict[int, Tensor]:
    """``[n, L]`` float32 of every task whose cells hold several words, by its position; NaN where there is none.

    Sets of labels are 1 and 0 for each label, tags are positions of classes, NaN behind the last.

    Args:
        table: Has one column per task, of the task's name.
        tasks: All tasks.
        where: Name of the table in messages.
        partial: Whether a column may be absent (then no row has a label for that task).

    Raises:
        UserError: If a cell holds a word that the task does not know.

    Example:
        >>> from polytask.task import Task
        >>> table = pa.table({"topics": ["a;b", "b", None], "slots": ["O B", "", "B"]})
        >>> tasks = [Task("topics", kind="multilabel", classes=("a", "b")), Task("slots", "tags", classes=("B", "O"))]
        >>> topics, slots = encode_wide(table, tasks).values()
        >>> topics[:2].tolist(), slots[0].tolist()
        ([[1.0, 1.0], [0.0, 1.0]], [1.0, 0.0])
    """
    return {
        position: torch.from_numpy(encode_words(table[task.name], task, f"{where}: target {task.name!r}"))
        if task.name in table.column_names or not partial
        else torch.full((table.num_rows, task.definition.length(len(task.classes)) or 1), torch.nan)
        for position, task in enumerate(tasks)
        if isinstance(task.definition, WordsKind)
    }
