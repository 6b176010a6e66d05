"""What the cells of a table are: numbers, dates, truth values or words. Decided once, for whole columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns import Coded, coded, is_text
from .marks import MARKS, without_marks
from .number_words import read_numbers

#: Whole numbers above this are not exact as float64: they are names of things.
EXACT = 2**53
#: Distinct words that are looked at before all of a column are.
_SAMPLE = 1000
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class Reading:
    """What is known of the columns before their cells are looked at.

    Attributes:
        marks: Words that mean "no value".
        kinds: By column: ``words`` (cells stay as they are), ``classes`` (words, or plain numbers), ``numbers`` or
            ``dates``. Other columns are what their cells look like.
        unused: Columns that nobody asks for: they are not looked at.
        used: If given, all others are unused, too.
    """

    marks: tuple[str, ...] = MARKS
    kinds: Mapping[str, str] = field(default_factory=dict)
    unused: frozenset[str] = frozenset()
    used: frozenset[str] | None = None

    def skips(self, name: str) -> bool:
        """Whether a column is not looked at."""
        return name in self.unused or (self.used is not None and name not in self.used)


def interpret(table: pa.Table, reading: Reading) -> tuple[pa.Table, list[str]]:
    """The table with typed columns, and what was found in them, for the user to read.

    Text becomes whole numbers, decimal numbers (also with separators, currencies and units) or truth values if all
    cells of the column but the missing ones are such. Dates are recognised where features are fitted. Numbers with
    leading zeros (``007``) and whole numbers above 2^53 are names and stay words.

    Example:
        >>> table = pa.table({"price": ["$1,200", "NA", "$7"], "zip": ["01234", "99999", ""]})
        >>> typed, notes = interpret(table, Reading())
        >>> typed["price"].to_pylist(), typed["zip"].to_pylist(), notes
        ([1200.0, None, 7.0], ['01234', '99999', None], ["'price': numbers with currency '$', thousands separators"])
    """
    decimal = _decimal_of(table, reading)
    columns, notes = [], []
    for name in table.column_names:
        column = table[name]
        if not reading.skips(name):
            column = without_marks(column, reading.marks)
            if is_text(column.type) and not pa.types.is_dictionary(table[name].type):
                column, found = typed(column, reading.kinds.get(name, ""), decimal)
                notes += [f"{name!r}: {found}"] if found else []
            elif pa.types.is_integer(column.type) and _beyond_exact(column):
                column = column.cast(pa.string())
        columns.append(column)
    return pa.table(columns, names=table.column_names), notes


def _beyond_exact(column: pa.ChunkedArray) -> bool:
    ends = pc.min_max(column).as_py()
    return ends["min"] is not None and max(abs(ends["min"]), abs(ends["max"])) > EXACT


def _decimal_of(table: pa.Table, reading: Reading) -> str:
    """A comma if a column has decimal commas beyond doubt: it decides for columns that allow both."""
    for name in table.column_names:
        if reading.skips(name) or reading.kinds.get(name) in ("words", "dates") or not is_text(table[name].type):
            continue
        some = table[name].slice(0, _SAMPLE)
        if pa.types.is_dictionary(some.type) or not _has(some, ","):
            continue
        words = coded(without_marks(some, reading.marks)).words
        if len(words) and pc.all(pc.match_substring_regex(words, r"^[^,]*,?[^,]*$")).as_py():
            found = read_numbers(words)
            if found.decimal == "," and "decimal comma" in found.found and not found.strange.any():
                return ","
    return ""


def typed(column: pa.ChunkedArray, kind: str = "", decimal: str = "") -> tuple[pa.ChunkedArray, str]:
    """A column of text as what its cells are, and what was found beside plain numbers and words.

    Args:
        column: Text without blanks at the ends; null where missing.
        kind: See :class:`Reading`.
        decimal: The sign before decimals where the column allows both.
    """
    if kind in ("words", "dates"):
        return column, ""
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column))]), ""
    if kind != "numbers" and _names(column):
        return column, ""
    if not (decimal == "," and _has(column, ".")) and (plain := _plain(column, kind)) is not None:
        return plain, ""
    words = coded(column)
    some = Coded(np.arange(min(len(words.words), _SAMPLE)), words.words[:_SAMPLE])
    for reader in (_truth, _numbers) if kind != "classes" else (_truth,):
        if reader(some, decimal) is not None and (found := reader(words, decimal)) is not None:
            return found
    return column, ""


def _truth(words: Coded, _: str) -> tuple[pa.ChunkedArray, str] | None:
    values = [_TRUTH.get(word.lower()) for word in words.words[: len(_TRUTH) * 3].to_pylist()]
    if None in values or len(values) < len(words.words):
        return None
    return pa.chunked_array([pa.array([*values, None], pa.bool_()).take(pa.array(words.index % (len(values) + 1)))]), ""


def _numbers(words: Coded, decimal: str) -> tuple[pa.ChunkedArray, str] | None:
    found = read_numbers(words.words, decimal)
    if found.strange.any() or np.isnan(found.values).all():
        return None
    values = pa.array(words.gather(found.values, np.nan), from_pandas=True)
    marks = words.words.filter(pa.array(np.isnan(found.values))).to_pylist()
    more = [f"{', '.join(map(repr, marks[:3]))} as missing"] * bool(marks)
    said = ", ".join([*found.found, *more])
    return pa.chunked_array([values]), f"numbers with {said}" if said else ""


def _has(column: pa.ChunkedArray, sign: str) -> bool:
    return bool(pc.any(pc.match_substring(column, sign)).as_py())


def _names(column: pa.ChunkedArray) -> bool:
    """Whether whole numbers are names of things: some with leading zeros, or beyond what is exact."""
    some = pc.match_substring_regex(column, r"^[+-]?(0[0-9]+|[0-9]{16,})$")
    if not pc.any(some).as_py() or not pc.all(pc.match_substring_regex(column, r"^[+-]?[0-9]+$")).as_py():
        return False
    words = pc.unique(column.filter(some)).to_pylist()
    return any(abs(int(word)) > EXACT or word.lstrip("+-")[0] == "0" for word in words)


def _plain(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray | None:
    """Plain numbers as Arrow reads them, None if there are others or words."""
    for kind_of_numbers in (pa.int64(), pa.float64()):
        try:
            values = column.cast(kind_of_numbers)
        except pa.ArrowInvalid:
            continue
        power = kind == "classes" and kind_of_numbers == pa.float64() and _has(pc.utf8_lower(column), "e")
        return None if power else values  # 1e5 can be the name of a class
    return None
