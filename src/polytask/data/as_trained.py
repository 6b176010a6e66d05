"""Cells read as those of the training table were, whatever a single file, piece or request looks like."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UserError
from .columns import Coded, is_text, label_of
from .marks import without_marks
from .reading import typed

#: Numbers as CSV files, data frames and JSON write the same one: 3, 3.0, 3.50.
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]*")


def without_missing(column: pa.ChunkedArray, marks: Sequence[str], values: Collection[str]) -> pa.ChunkedArray:
    """The column without marks of missing values, except for those that are values of the training table.

    Example:
        >>> column = pa.chunked_array([["-", "a", "?"]])
        >>> without_missing(column, ["-", "?"], {"+", "-"}).to_pylist()
        ['-', 'a', None]
    """
    return without_marks(column, [mark for mark in marks if mark not in values], signs=False)


def as_numbers(column: pa.ChunkedArray, marks: Sequence[str], decimal: str, unit: str, at: str) -> pa.ChunkedArray:
    """Text as numbers, without marks that are numbers; as it is if a cell is no number.

    Args:
        column: The cells.
        marks: Words that mean "no value".
        decimal: The sign before decimals where the cells allow both.
        unit: Currency and unit in training; numbers without any are taken to be in it.
        at: Names the column in messages.

    Raises:
        UserError: If the numbers have another unit.

    Example:
        >>> as_numbers(pa.chunked_array([["4,125 kg", "-999,0 kg"]]), ["-999"], ",", "kg", "weight").to_pylist()
        [4.125, None]
    """
    if not is_text(column.type):
        return column
    found = typed(column, "numbers", decimal)
    check_unit(found.unit, unit, at)
    return column if is_text(found.column.type) else without_marks(found.column, marks)


def check_unit(found: str, trained: str, at: str) -> None:
    """Refuse numbers in another unit than those of training; none is taken to be the same.

    Raises:
        UserError: If both have one, and they differ.
    """
    if trained and found and found != trained:
        raise UserError(f"{at}: expected numbers in {trained!r}, as in training, found {found!r}; convert them")


def as_values(words: Coded, values: Sequence[str]) -> Coded:
    """Words that stand for a value of the training table in another form: ``3.0`` for 3, ``true`` for True.

    Example:
        >>> words = Coded(np.array([0, 1, 2]), pa.array(["3.0", "true", "x"], pa.large_string()))
        >>> as_values(words, ["3", "True"]).words.to_pylist()
        ['3', 'True', 'x']
    """
    known = pc.is_in(words.words, value_set=pa.array(values, pa.large_string())).to_numpy(zero_copy_only=False)
    if known.all():
        return words
    truth = {value.lower(): value for value in values if value.lower() in ("true", "false")}
    exact = set(values)

    def read(word: str) -> str:
        number = label_of(float(word)) if _DECIMAL.fullmatch(word) else word
        return number if number in exact else truth.get(word.lower(), word)

    texts = words.words.to_pylist()
    for place in np.flatnonzero(~known):
        texts[place] = read(texts[place])
    return Coded(words.index, pa.array(texts, pa.large_string()))
