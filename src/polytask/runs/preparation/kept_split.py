"""Rows that a finished run has seen keep the split of that run when tasks are added to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...config import Config
from ...config.split import split_column
from ...data import load_split
from ...data.equal_rows import parts_of_known, word_keys
from ...data.split_groups import group_codes
from ...data.splits import load_row_keys
from ...errors import UserError
from ...records.folder import RunFolder
from ...task import Task
from ..adding.base import Base
from .prepared import fingerprint
from .splitting import draw, split_rows, together_by, with_scaffolds


def kept_split(
    config: Config,
    base: Base,
    table: pa.Table,
    keys: np.ndarray,
    labels: np.ndarray,
    tasks: Sequence[Task],
    stored: Path | None,
    where: str,
) -> tuple[np.ndarray, list[str]]:
    """The part of every row: as in the finished run for rows that it has seen, drawn for the others.

    A row is known by its id where both tables have ids, else by its features, and in the very same file by its number.

    Args:
        config: Of the run to be made; a column with the split decides alone.
        base: The finished run.
        table: The rows.
        keys: ``[n]`` from :func:`~polytask.data.equal_rows.row_keys` by the schema of the finished run.
        labels: ``[n, K]``, NaN where there is none.
        tasks: Theirs.
        stored: File with the split of a run that is resumed.
        where: Name of the table in messages.

    Returns:
        ``[n]`` int8 part of every row, and notes for the user.
    """
    if split_column(config) is not None or (stored is not None and stored.exists()):
        return split_rows(config, table.column, labels, tasks, stored, where)
    cells = with_scaffolds(config, table, table.column, where)
    codes = _known_parts(config, base, table, keys)
    seen = int((codes >= 0).sum())
    if not seen:
        return draw(config, cells, labels, tasks, where)
    notes = [f"{seen:,} of {len(codes):,} rows are those of {base.path.name} and keep the split of that run"]
    if (together := together_by(config, cells)) is not None:
        _extend(codes, group_codes(together))
    new = np.flatnonzero(codes < 0)
    if len(new) and config.time is not None:
        raise UserError(f"time: {seen:,} rows are those of {base.path} and keep the split of that run, so "
                        f"{len(new):,} new rows cannot be split by time; give a column with the split of every row "
                        f"(--split COLUMN)"
                        )  # fmt: skip
    if len(new) >= 3:
        codes[new], more = draw(config, lambda name: cells(name).take(pa.array(new)), labels[new], tasks, where)
        notes += more
    else:
        codes[new] = 0
    return codes, notes


def _known_parts(config: Config, base: Base, table: pa.Table, keys: np.ndarray) -> np.ndarray:
    """``[n]`` part in the finished run, -1 for rows that it has not seen."""
    run, name = RunFolder.open(base.path), config.id or base.bundle.schema.id_column
    codes, ids = load_split(run.split)
    if ids is not None and name in table.column_names:
        return parts_of_known(word_keys(table.column(name)), word_keys(pa.chunked_array([ids])), codes)
    if len(codes) == len(keys) and run.fingerprint == fingerprint(config):
        return codes.copy()
    known = load_row_keys(run.split)
    return np.full(len(keys), -1, np.int8) if known is None else parts_of_known(keys, known, codes)


def _extend(codes: np.ndarray, groups: np.ndarray) -> None:
    """Rows of a group that the finished run has seen go where that group is, in place."""
    part = np.full(groups.max() + 1, 3, np.int8)
    known = codes >= 0
    np.minimum.at(part, groups[known], codes[known])
    codes[:] = np.where((part[groups] < 3) & ~known, part[groups], codes)
