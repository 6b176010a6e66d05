"""Cells that mean "no value": blanks, the documented marks, and those that the user adds."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns import is_text

#: Marks in every column, compared exactly after blanks at both ends are stripped.
MARKS = (
    "", "NA", "na", "N/A", "n/a", "N.A.", "n.a.", "#N/A", "<NA>", "NaN", "nan", "-nan", "-NaN", "NaT", "NAN", "null",
    "Null", "NULL", "None", "\\N", "?", "-", "--", ".", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!",
)  # fmt: skip
#: Further marks in columns of numbers and dates, in any case: among words they can be real values.
MARKS_OF_NUMBERS = (
    "none", "missing", "unknown", "undefined", "not available", "not applicable", "n.d.", "n.d", "nd", "n/d", "nil",
    "void", "(null)", "[null]", "<null>", "(none)", "<none>", "(blank)", "<blank>", "*", "\u2013", "\u2014", "...",
    "0000-00-00", "0000-00-00 00:00:00",
)  # fmt: skip
#: There, too: nothing but punctuation (a currency with a dash is 0 in Excel), and the errors of Excel in any language.
_NOTHING = r"^[^\p{L}\p{N}\p{Sc}\x{221e}]+$|^#\p{Lu}[\p{Lu}/0_ ]*[!?]?$"
#: Not a mark where the other sign is a value: "+" and "-" are two classes.
_SIGNS = ("+", "-")


def all_marks(given: Sequence[str]) -> tuple[str, ...]:
    """The documented marks and the given ones; if the first begins with ``=``, the given ones alone.

    Example:
        >>> len(all_marks(["-999"])) - len(MARKS), all_marks(["=?", "-"]), all_marks(["="])
        (1, ('', '?', '-'), ('',))
    """
    found = [mark.strip() for mark in given]
    if found and found[0].startswith("="):
        return tuple(dict.fromkeys(["", found[0][1:], *found[1:]]))
    return tuple(dict.fromkeys([*MARKS, *found]))


def without_marks(column: pa.ChunkedArray, marks: Sequence[str], *, signs: bool = True) -> pa.ChunkedArray:
    """The column with blanks at both ends of words stripped, and null for every mark.

    Marks that are numbers, such as ``-999`` and ``inf``, also count in columns of numbers.

    Args:
        column: The cells.
        marks: Words that mean "no value".
        signs: Keep ``-`` where there is a ``+``.

    Example:
        >>> without_marks(pa.chunked_array([[" yes", "NA", " ", "no"]]), MARKS).to_pylist()
        ['yes', None, None, 'no']
        >>> without_marks(pa.chunked_array([[1.0, -999.0]]), ["-999"]).to_pylist()
        [1.0, None]
    """
    kind = column.type
    if pa.types.is_dictionary(kind) and is_text(kind):
        column = column.cast(kind.value_type)
    if is_text(kind):
        return _words_without(column, marks, signs)
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return _numbers_without(column, marks)
    return column


def no_numbers(words: pa.Array) -> np.ndarray:
    """``[words]`` bool, what means "no value" among numbers and dates.

    Example:
        >>> no_numbers(pa.array(["unknown", "***", "#WERT!", "12", "low"])).tolist()
        [True, True, True, False, False]
    """
    marks = pc.is_in(pc.utf8_lower(words), value_set=pa.array(MARKS_OF_NUMBERS, words.type))
    return np.asarray(pc.or_(marks, pc.match_substring_regex(words, _NOTHING)).to_numpy(zero_copy_only=False), bool)


def _words_without(column: pa.ChunkedArray, marks: Sequence[str], signs: bool) -> pa.ChunkedArray:
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    words = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(words, value_set=pa.array(marks, column.type))
    if signs and "-" in marks and all(pc.any(pc.equal(words, sign)).as_py() for sign in _SIGNS):
        missing = pc.and_(missing, pc.invert(pc.is_in(words, value_set=pa.array(_SIGNS, column.type))))
    return pc.if_else(missing, pa.scalar(None, column.type), words)


def _numbers_without(column: pa.ChunkedArray, marks: Sequence[str]) -> pa.ChunkedArray:
    values = numeric_marks(tuple(marks))
    if not values:
        return column
    floats = pc.cast(column, pa.float64(), safe=False)
    missing = pc.is_in(floats, value_set=pa.array(values, pa.float64()))
    if np.isinf(values).any():
        missing = pc.or_kleene(missing, pc.is_inf(floats))
    return pc.if_else(missing, pa.scalar(None, column.type), column)


@functools.lru_cache(maxsize=8)
def numeric_marks(marks: tuple[str, ...]) -> list[float]:
    """The marks that are numbers."""
    return [float(mark) for mark in marks if re.fullmatch(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|inf)", mark)]
