"""Several tables as one: each row has the columns and labels of its own data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..errors import UserError, did_you_mean, raise_all
from .table import read_table, require_rows


def read_sources(
    paths: Sequence[str | Path], labels: Sequence[Sequence[str]], targets: Sequence[str], words: Sequence[str] = ()
) -> tuple[pa.Table, np.ndarray]:
    """Read data sets and put them under one another.

    A column that a data set does not have is missing in its rows. A target counts as a label only in the data sets that
    list it.

    Args:
        paths: The tables.
        labels: For each the targets that it has labels for; empty for all of ``targets`` that are its columns.
        targets: All targets.
        words: See :func:`read_table`.

    Returns:
        The table, and ``[n]`` int64 the number of the data set of each row.

    Raises:
        UserError: If a table cannot be read, lacks one of its targets, or types do not go together.
    """
    tables, problems = [], []
    for path, own in zip(paths, labels, strict=True):
        table = read_table(path, text=words)
        require_rows(table, path)
        missing = [name for name in own if name not in table.column_names]
        problems += [
            f"{path}: target {name!r} is missing; {did_you_mean(name, table.column_names)}" for name in missing
        ]
        foreign = [name for name in targets if own and name not in own and name in table.column_names]
        tables.append(table.drop_columns(foreign))
    raise_all(problems)
    try:
        together = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        names = ", ".join(str(path) for path in paths)
        raise UserError(f"{names}: columns of equal names need equal types ({error}); rename or convert them") from None
    return together, np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])


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
    for name in features:
        if name not in table.column_names:
            kind = pa.string() if name in words else pa.float64()
            table = table.append_column(name, pa.nulls(table.num_rows, kind))
    return table
