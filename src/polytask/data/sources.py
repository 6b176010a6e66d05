"""Several tables as one: each row has the columns and labels of its own data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..errors import UserError, did_you_mean, raise_all
from .columns import coded, is_text
from .marks import without_marks
from .reading import Reading, interpret
from .table import read_cells, require_rows


@dataclass(frozen=True)
class Sources:
    """Data sets under one another.

    Attributes:
        table: All rows, with typed columns.
        source: ``[n]`` int64 the number of the data set of each row.
        columns: Names of the columns of each data set.
        notes: What was found in files and columns, for the user to read.
        decimal: See :class:`~polytask.data.reading.Interpreted`, as ``units``.
    """

    table: pa.Table
    source: np.ndarray
    columns: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    decimal: str = ""
    units: Mapping[str, str] = field(default_factory=dict)

    def with_features(self, features: Sequence[str]) -> list[list[str]]:
        """The features that each data set has."""
        known = [set(columns) for columns in self.columns]
        return [[name for name in features if name in columns] for columns in known]


def read_sources(
    paths: Sequence[str | Path],
    labels: Sequence[Sequence[str]],
    targets: Sequence[str],
    reading: Reading | None = None,
) -> Sources:
    """Read data sets and put them under one another.

    A column that a data set does not have is missing in its rows. A target counts as a label only in the data sets that
    list it.

    Args:
        paths: The tables.
        labels: For each the targets that it has labels for; empty for all of ``targets`` that are its columns.
        targets: All targets.
        reading: What is known of the columns.

    Raises:
        UserError: If a table cannot be read, lacks one of its targets, or types do not match.
    """
    tables, problems, notes = [], [], []
    for path, own in zip(paths, labels, strict=True):
        table, unusual = read_cells(path)
        notes += [f"{Path(path).name}: {note}" for note in unusual]
        require_rows(table, path)
        known = set(table.column_names)
        missing = [name for name in own if name not in known]
        problems += [
            f"{path}: target {name!r} is missing; {did_you_mean(name, table.column_names)}" for name in missing
        ]
        foreign = [name for name in targets if own and name not in own and name in known]
        tables.append(table.drop_columns(foreign))
    raise_all(problems)
    columns = tuple(tuple(table.column_names) for table in tables)
    reading = reading or Reading()
    try:
        together = pa.concat_tables(_alike(tables, reading), promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        names = ", ".join(str(path) for path in paths)
        raise UserError(f"{names}: columns of equal names need equal types ({error}); rename or convert them") from None
    together, found, decimal, units = interpret(together, reading)
    source = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    return Sources(together, source, columns, (*notes, *found), decimal, units)


def _alike(tables: Sequence[pa.Table], reading: Reading) -> list[pa.Table]:
    """The same with text where one of several tables has text in a column: a CSV file beside a Parquet file."""
    texts = {field.name for table in tables for field in table.schema if is_text(field.type)}
    return (
        [
            pa.table(
                [
                    coded_text(without_marks(table[name], reading.marks)) if name in texts else table[name]
                    for name in table.column_names
                ],
                names=table.column_names,
            )
            for table in tables
        ]
        if len(tables) > 1 and texts
        else list(tables)
    )


def coded_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of any type as text, whole numbers without ``.0``."""
    if is_text(column.type) or pa.types.is_nested(column.type):
        return column
    if pa.types.is_temporal(column.type):
        return column.cast(pa.string())
    words = coded(column)
    return pa.chunked_array([words.words.cast(pa.string()).take(pa.array(words.index, mask=words.index < 0))])


def with_columns_of_other_sources(
    table: pa.Table, features: Sequence[str], words: Sequence[str], sources: Sequence[Sequence[str]]
) -> pa.Table:
    """A table of one data set, with the features that only other data sets have as missing.

    Args:
        table: The table.
        features: Feature columns of all data sets together.
        words: Those that hold words.
        sources: Feature columns of each data set; a table that has all of one of them is completed, others are
            left as they are (so that what is missing is reported).
    """
    if not any(set(columns) <= set(table.column_names) for columns in sources):
        return table
    known, texts = set(table.column_names), set(words)
    absent = {
        name: pa.nulls(table.num_rows, pa.string() if name in texts else pa.float64())
        for name in features
        if name not in known
    }
    return pa.table([*table.columns, *absent.values()], names=[*table.column_names, *absent])
