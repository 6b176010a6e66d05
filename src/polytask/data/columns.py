"""One Arrow column as NumPy arrays: numbers, or words with codes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Words that a message proposes as marks of missing values.
MOST_MARKS = 12


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type holds strings."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_numeric(kind: pa.DataType) -> bool:
    """Whether :func:`numbers` can read a column of this Arrow type: numbers, bools, dates and times, all-missing."""
    types = pa.types
    return any(test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)) or (
        (types.is_temporal(kind) and not types.is_interval(kind)) or types.is_null(kind)
    )


def strange_cells(columns: Mapping[str, pa.ChunkedArray]) -> list[str]:
    """Problems of columns, by what names them in messages, that :func:`coded` and :func:`numbers` cannot read.

    Example:
        >>> strange_cells({"column 'a'": pa.chunked_array([[["x"]]])})
        ["column 'a': expected a word or a number per cell, found list<item: string>; convert the column"]
    """
    return [
        f"{at}: expected a word or a number per cell, found {column.type}; convert the column"
        for at, column in columns.items()
        if not (is_text(column.type) or is_numeric(column.type))
    ]


def decoded(table: pa.Table) -> pa.Table:
    """The table without encodings that say nothing about cells: views, runs, and dictionaries of anything but words.

    Bytes that are text (UTF-8) are words, as some writers of Parquet store them.

    Example:
        >>> table = pa.table({"a": pa.array(["x", "y"], pa.string_view()), "b": pa.array([7, 7]).dictionary_encode()})
        >>> [str(kind) for kind in decoded(table).schema.types]
        ['string', 'int64']
    """
    for place, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        kind = _decoded_type(column.type)
        if kind != column.type:
            chunks = [pc.run_end_decode(chunk) for chunk in column.chunks] if _is_run(column.type) else column.chunks
            table = table.set_column(
                place, name, pa.chunked_array(chunks, chunks[0].type if chunks else kind).cast(kind)
            )
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            with suppress(pa.ArrowInvalid):
                table = table.set_column(place, name, table[name].cast(pa.string()))
    return table


def _is_run(kind: pa.DataType) -> bool:
    return bool(pa.types.is_run_end_encoded(kind))


def _decoded_type(kind: pa.DataType) -> pa.DataType:
    if _is_run(kind):
        return _decoded_type(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_dictionary(kind):
        inner = _decoded_type(kind.value_type)
        return pa.dictionary(kind.index_type, inner) if is_text(inner) else inner
    return kind


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """``[n]`` float64, NaN where missing. Dates and times become seconds (since 1970, or of the day).

    Example:
        >>> numbers(pa.chunked_array([[1, None, 3]]))
        array([ 1., nan,  3.])
    """
    kind = column.type
    if pa.types.is_temporal(kind):
        return numbers(_microseconds(column)) / 1e6
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    values = pc.cast(column, pa.float64(), safe=False)
    return values.to_numpy().astype(np.float64, copy=False)


def _microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_time(kind):
        unit = pa.time64("us")
    elif pa.types.is_duration(kind):
        unit = pa.duration("us")
    else:
        unit = pa.timestamp("us")
    return pc.cast(column, unit, safe=False).cast(pa.int64())


def label_of(number: float) -> str:
    """A number as a class label: whole numbers without ".0".

    Example:
        >>> label_of(1.0), label_of(2.5)
        ('1', '2.5')
    """
    return str(int(number)) if float(number).is_integer() else repr(float(number))


@dataclass(frozen=True)
class Coded:
    """A column of words: each distinct word once, and where it stands. Work on words is done on the distinct ones.

    Attributes:
        index: ``[n]`` int64 positions in ``words``, -1 where missing.
        words: The distinct words, as large_string.
    """

    index: np.ndarray
    words: pa.Array

    def gather(self, per_word: np.ndarray, missing: float) -> np.ndarray:
        """``[n]``: the value of each row's word, ``missing`` where there is none."""
        return np.append(per_word, np.asarray(missing, per_word.dtype))[self.index]

    def counts(self, rows: np.ndarray | None = None) -> np.ndarray:
        """``[words]`` int64: rows (of the bool mask ``rows``, if given) of every word."""
        index = self.index if rows is None else self.index[rows]
        return np.bincount(index[index >= 0], minlength=len(self.words))

    def example(self, which: np.ndarray) -> str:
        """The first row whose word is among ``which`` (``[words]`` bool), for a message: ``'abc' (row 3)``."""
        row = int(np.argmax(self.gather(which, False)))
        return f"{self.words[int(self.index[row])].as_py()!r} (row {row + 1})"

    def as_marks(self, which: np.ndarray) -> str:
        """Words among ``which``, as ``--missing`` takes them in a shell: all, unless they are many or hold commas."""
        words = [str(word) for word in self.words.filter(pa.array(which)).to_pylist()]
        few = len(words) <= min(MOST_MARKS, len(self.words) / 2) and not any(
            sign in word for word in words for sign in ',"'
        )
        return shlex.quote(",".join(words) if few else words[0])


def coded(column: pa.ChunkedArray) -> Coded:
    """A column of any type as words; empty strings, nulls and NaN are missing.

    Example:
        >>> column = coded(pa.chunked_array([["b", "", "a", None, "b"]]))
        >>> column.index.tolist(), column.words.to_pylist()
        ([0, -1, 1, -1, 0], ['b', 'a'])
    """
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _coded_floats(numbers(column))
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if not len(column):  # some versions of pyarrow cannot combine no chunks
        return Coded(np.empty(0, np.int64), pa.array([], pa.large_string()))
    encoded = column.cast(pa.large_string()).dictionary_encode().unify_dictionaries().combine_chunks()
    index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return _without_empty(index, encoded.dictionary)


def _without_empty(index: np.ndarray, words: pa.Array) -> Coded:
    full = pc.not_equal(words, "").to_numpy(zero_copy_only=False)
    if full.all():
        return Coded(index, words)
    renumbered = np.append(np.where(full, np.cumsum(full) - 1, -1), -1)
    return Coded(renumbered[index], words.filter(pa.array(full)))


def _coded_floats(values: np.ndarray) -> Coded:
    known = ~np.isnan(values)
    distinct, inverse = np.unique(values[known], return_inverse=True)
    index = np.full(len(values), -1, np.int64)
    index[known] = inverse
    return Coded(index, pa.array([_float_label(value) for value in distinct.tolist()], pa.large_string()))


def _float_label(value: float) -> str:
    return label_of(value) if np.isfinite(value) else repr(value)
