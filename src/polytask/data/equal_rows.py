"""Rows with equal features: a number for each row, by which they are found again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from torch import Tensor

from .columns import coded
from .schema import Schema
from .sparse import SparseRows

_ODD = np.uint64(0x9E3779B97F4A7C15)


def row_keys(table: pa.Table, schema: Schema, inputs: Mapping[str, Tensor | SparseRows] | None = None) -> np.ndarray:
    """``[n]`` uint64: equal for rows whose features are equal as the networks see them, in whatever file they are.

    Any two different rows have equal numbers with a probability of ``n^2 / 2^65``.

    Args:
        table: Rows with the features.
        schema: States how they are read.
        inputs: What it makes of them, if that is known.

    Example:
        >>> from polytask.task import Task
        >>> table = pa.table({"x": [1.0, 2.0, 1.0], "colour": ["red", "red", "red"], "y": [0, 1, 1]})
        >>> keys = row_keys(table, Schema.fit(table, [Task("y")]))
        >>> bool(keys[0] == keys[2]), bool(keys[0] == keys[1])
        (True, False)
    """
    found = np.zeros(table.num_rows, np.uint64)
    for values in (schema.encode_inputs(table) if inputs is None else inputs).values():
        if isinstance(values, Tensor):  # hashed words are below
            bits = (values.numpy() + 0).view(np.uint32)  # -0 is 0
            for column in bits.T:
                found = _mixed(found * _ODD + column)
    read = schema.read(table) if schema.texts else table
    for name in schema.texts:
        found = _mixed(found * _ODD + word_keys(read[name]))
    return found


def word_keys(column: pa.ChunkedArray) -> np.ndarray:
    """``[n]`` uint64, equal for rows of equal words; 0 where there is none.

    Example:
        >>> keys = word_keys(pa.chunked_array([["a", "b", "a", None]]))
        >>> bool(keys[0] == keys[2]), bool(keys[0] == keys[1]), int(keys[3])
        (True, False, 0)
    """
    words = coded(column)
    digests = [hashlib.blake2b(word.encode(), digest_size=8).digest() for word in words.words.to_pylist()]
    return words.gather(np.frombuffer(b"".join(digests), np.uint64), 0)


def _mixed(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014): close numbers become far ones."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def equal_rows(keys: np.ndarray, codes: np.ndarray, drawn: bool = True) -> list[str]:
    """A note for validation and test if some of their rows have the features of a training row.

    Args:
        keys: ``[n]`` from :func:`row_keys`.
        codes: ``[n]`` part of every row.
        drawn: Whether rows were split by chance, so that groups of them could be kept in one part.

    Example:
        >>> equal_rows(np.array([1, 2, 1, 3], np.uint64), np.array([0, 0, 2, 1]))[0].split(":")[0]
        '1 of 1 test rows have the features of a training row'
    """
    train = np.unique(keys[codes == 0])
    remedy = "remove the duplicates" + ", or keep duplicates of one record in one split (--group COLUMN)" * drawn
    notes = []
    for code, part in ((1, "validation"), (2, "test")):
        own = keys[codes == code]
        count = int(np.isin(own, train).sum())
        if count:
            notes.append(f"{count:,} of {len(own):,} {part} rows have the features of a training row: if these are "
                         f"duplicates of one record, metrics are optimistic; {remedy}")  # fmt: skip
    return notes


def parts_of_known(keys: np.ndarray, known: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """``[n]`` int8 part of rows that an earlier run has seen, -1 for others.

    A row that was in several parts is in the first of them: what was trained on is not tested on.

    Args:
        keys: ``[n]`` numbers or words of the rows.
        known: ``[m]`` those of the earlier run.
        codes: ``[m]`` their parts.

    Example:
        >>> parts_of_known(np.array([7, 8, 9]), np.array([9, 7, 9]), np.array([2, 1, 0])).tolist()
        [1, -1, 0]
    """
    order = np.lexsort((codes, known))
    names, first = np.unique(known[order], return_index=True)
    if not len(names):
        return np.full(len(keys), -1, np.int8)
    place = np.minimum(np.searchsorted(names, keys), len(names) - 1)
    return np.where(names[place] == keys, codes[order][first][place], -1).astype(np.int8)
