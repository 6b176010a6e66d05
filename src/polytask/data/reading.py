"""What the cells of a table are: numbers, dates, truth values or words. Decided once, for whole columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns import Coded, coded, is_text
from .marks import MARKS, numeric_marks, without_marks
from .number_words import read_numbers

#: Whole numbers above this are not exact as float64: they are names of things.
EXACT = 2**53
#: Distinct words that are looked at before all of a column are.
_SAMPLE = 1000
#: Numbers as programs write them; of more digits or with leading zeros they may be names.
_WHOLE = r"^-?(0|[1-9][0-9]{0,14})$"
_NUMBER = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"
#: Cells that are looked at together, and the mean of their bytes in a column that can be numbers.
_TOGETHER, _LONGEST = 1 << 20, 64
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
        decimal: The sign before decimals if the columns of this table leave it open.
    """

    marks: tuple[str, ...] = MARKS
    kinds: Mapping[str, str] = field(default_factory=dict)
    unused: frozenset[str] = frozenset()
    used: frozenset[str] | None = None
    decimal: str = ""

    def skips(self, name: str) -> bool:
        """Whether a column is not looked at."""
        return name in self.unused or (self.used is not None and name not in self.used)


class Interpreted(NamedTuple):
    """What cells are.

    Attributes:
        table: With typed columns.
        notes: What was found in them, for the user to read.
        decimal: The sign before decimals in columns that allow both: a comma, or empty for the point.
        units: Currency and unit of the columns of numbers that have any.
    """

    table: pa.Table
    notes: list[str]
    decimal: str
    units: dict[str, str]


class Typed(NamedTuple):
    """What the cells of a column are.

    Attributes:
        column: Numbers, truth values, or text as it was.
        said: What was found beside plain numbers and words, for the user to read.
        unit: Currency and unit of numbers.
    """

    column: pa.ChunkedArray
    said: str = ""
    unit: str = ""


def interpret(table: pa.Table, reading: Reading) -> Interpreted:
    """The table with typed columns.

    Text becomes whole numbers, decimal numbers (also with separators, currencies and units) or truth values if all
    cells of the column but the missing ones are such. Dates are recognised where features are fitted. Numbers with
    leading zeros (``007``) and whole numbers above 2^53 are names and stay words.

    Example:
        >>> table = pa.table({"price": ["$1,200", "NA", "$7"], "zip": ["01234", "99999", ""]})
        >>> found = interpret(table, Reading())
        >>> found.table["price"].to_pylist(), found.table["zip"].to_pylist(), found.notes
        ([1200.0, None, 7.0], ['01234', '99999', None], ["'price': numbers with currency '$', thousands separators"])
    """
    plain = plain_columns(table, reading)
    decimal = _decimal_of(table, reading, plain) or reading.decimal
    if decimal == ",":
        plain = {name: column for name, column in plain.items() if pa.types.is_integer(column.type)}
    columns, notes = [], []
    units: dict[str, str] = {}
    for name in table.column_names:
        column = plain.get(name, table[name])
        if name not in plain and not reading.skips(name):
            column = without_marks(column, reading.marks)
            if is_text(column.type) and not pa.types.is_dictionary(table[name].type):
                column, said, unit = typed(column, reading.kinds.get(name, ""), decimal)
                column = column if is_text(column.type) else without_marks(column, reading.marks)  # -999.0 is -999
                notes += [f"{name!r}: {said}"] if said else []
                units |= {name: unit} if unit else {}
            elif pa.types.is_integer(column.type) and _beyond_exact(column):
                column = column.cast(pa.string())
        columns.append(column)
    return Interpreted(pa.table(columns, names=table.column_names), notes, decimal, units)


def plain_columns(table: pa.Table, reading: Reading) -> dict[str, pa.ChunkedArray]:
    """The columns of text whose cells are all plain numbers, as numbers: whole ones, or decimal ones with a point.

    Cells of many columns are looked at together, since a call of Arrow costs more than a short column.

    Example:
        >>> table = pa.table({"a": ["1", "2"], "b": ["1.5", "-3"], "c": ["007", "8"], "d": ["1", "NA"]})
        >>> {name: str(column.type) for name, column in plain_columns(table, Reading()).items()}
        {'a': 'int64', 'b': 'double'}
    """
    if numeric_marks(tuple(reading.marks)) or not table.num_rows:
        return {}
    names = [
        name
        for name, kind in zip(table.column_names, table.schema.types, strict=True)
        if not reading.skips(name) and reading.kinds.get(name, "numbers") == "numbers" and pa.types.is_string(kind)
    ]
    names = [name for name in names if table[name].nbytes <= _LONGEST * table.num_rows]
    each = max(1, _TOGETHER // table.num_rows)
    found: dict[str, pa.ChunkedArray] = {}
    for begin in range(0, len(names), each):
        group = names[begin : begin + each]
        found |= _plain_among(group, [table[name] for name in group], table.num_rows)
    return found


def _plain_among(names: Sequence[str], columns: Sequence[pa.ChunkedArray], rows: int) -> dict[str, pa.ChunkedArray]:
    begun = _all_match([column.slice(0, 1) for column in columns], _NUMBER, 1)  # most columns of words show here
    names = [name for name, plain in zip(names, begun.tolist(), strict=True) if plain]
    columns = [column for column, plain in zip(columns, begun.tolist(), strict=True) if plain]
    plain = _all_match(columns, _NUMBER, rows)
    whole = plain & _all_match(columns, _WHOLE, rows)
    kinds = [pa.int64() if exact else pa.float64() for exact in whole.tolist()]
    return {
        name: column.cast(kind)
        for name, column, kind, numeric in zip(names, columns, kinds, plain.tolist(), strict=True)
        if numeric
    }


def _all_match(columns: Sequence[pa.ChunkedArray], pattern: str, rows: int) -> np.ndarray:
    """``[columns]`` bool, whether all cells of every column match."""
    if not columns:
        return np.zeros(0, bool)
    cells = pa.concat_arrays([chunk for column in columns for chunk in column.chunks])  # chunks cost a call each
    matched = pc.fill_null(pc.match_substring_regex(cells, pattern), False).to_numpy(zero_copy_only=False)
    return np.asarray(matched.reshape(-1, rows).all(1), bool)


def _beyond_exact(column: pa.ChunkedArray) -> bool:
    ends = pc.min_max(column).as_py()
    return ends["min"] is not None and max(abs(ends["min"]), abs(ends["max"])) > EXACT


def _decimal_of(table: pa.Table, reading: Reading, plain: Collection[str]) -> str:
    """A comma if a column has decimal commas beyond doubt: it decides for columns that allow both."""
    for name in table.column_names:
        skipped = name in plain or reading.skips(name) or reading.kinds.get(name) in ("words", "dates")
        if skipped or not is_text(table[name].type):
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


def typed(column: pa.ChunkedArray, kind: str = "", decimal: str = "") -> Typed:
    """A column of text as what its cells are.

    Args:
        column: Text without blanks at the ends; null where missing.
        kind: See :class:`Reading`.
        decimal: The sign before decimals where the column allows both.
    """
    if kind in ("words", "dates"):
        return Typed(column)
    if column.null_count == len(column):
        return Typed(pa.chunked_array([pa.nulls(len(column))]))
    if kind != "numbers" and _names(column):
        return Typed(column)
    if not (decimal == "," and _has(column, ".")) and (plain := _plain(column, kind)) is not None:
        return Typed(plain)
    words = coded(column)
    some = Coded(np.arange(min(len(words.words), _SAMPLE)), words.words[:_SAMPLE])
    for reader in (_truth, _numbers) if kind != "classes" else (_truth,):
        if reader(some, decimal) is not None and (found := reader(words, decimal)) is not None:
            return found
    return Typed(column)


def _truth(words: Coded, _: str) -> Typed | None:
    values = [_TRUTH.get(word.lower()) for word in words.words[: len(_TRUTH) * 3].to_pylist()]
    if None in values or len(values) < len(words.words):
        return None
    return Typed(
        pa.chunked_array([pa.array([*values, None], pa.bool_()).take(pa.array(words.index % (len(values) + 1)))])
    )


def _numbers(words: Coded, decimal: str) -> Typed | None:
    found = read_numbers(words.words, decimal)
    if found.strange.any() or np.isnan(found.values).all():
        return None
    values = pa.array(words.gather(found.values, np.nan), from_pandas=True)
    marks = words.words.filter(pa.array(np.isnan(found.values))).to_pylist()
    more = [f"{', '.join(map(repr, marks[:3]))} as missing"] * bool(marks)
    said = ", ".join([*found.found, *more])
    return Typed(pa.chunked_array([values]), f"numbers with {said}" if said else "", found.unit)


def _has(column: pa.ChunkedArray | pa.Array, sign: str) -> bool:
    return bool(pc.any(pc.match_substring(column, sign)).as_py())


def _names(column: pa.ChunkedArray) -> bool:
    """Whether whole numbers are names of things: some with leading zeros, or beyond what is exact."""
    some = pc.match_substring_regex(column, r"^[+-]?(0[0-9]+|[0-9]{16,})$")
    if not pc.any(some).as_py() or not pc.all(pc.match_substring_regex(column, r"^[+-]?[0-9]+$")).as_py():
        return False
    words = pc.unique(column.filter(some)).to_pylist()
    return any(abs(int(word)) > EXACT or word.lstrip("+-")[0] == "0" for word in words)


def _are_names(column: pa.ChunkedArray, values: pa.ChunkedArray) -> bool:
    """Whether classes that look like numbers are names: 1e5, and versions, of which 1.1 and 1.10 are two."""
    words = pc.unique(column.drop_null())
    same = len(pc.unique(values.drop_null())) < len(words)
    return same or (pa.types.is_floating(values.type) and _has(pc.utf8_lower(words), "e"))


def _plain(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray | None:
    """Plain numbers as Arrow reads them, None if there are others or words."""
    for kind_of_numbers in (pa.int64(), pa.float64()):
        try:
            values = column.cast(kind_of_numbers)
        except pa.ArrowInvalid:
            continue
        return None if kind == "classes" and _are_names(column, values) else values
    return None
