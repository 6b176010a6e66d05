"""Validation and test rows in separate files: read as the schema of the training table states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from ...config import Config
from ...config.split import FILES, is_drawn
from ...data import (
    PARTS,
    Rows,
    check_parts,
    column_names,
    read_cells,
    require_rows,
)
from ...data.columns import coded
from ...data.equal_rows import equal_rows, row_keys
from ...data.roles import repeated_ids
from ...display.text import some_names
from ...errors import UserError, raise_all
from .encoded import inputs_of
from .labelled import labelled
from .prepared import Prepared
from .reading import far_values, invalid_molecules, unseen_values
from .splitting import groups_in


def with_held_files(config: Config, data: Prepared) -> Prepared:
    """The same with the rows of the files that hold validation and test rows, which come after those of the table.

    Raises:
        UserError: If a file cannot be read, or lacks columns of the training table or all targets; all at once.
    """
    problems: list[str] = []
    for part in config.held_files:
        try:
            data = _with_file(data, part, Path(str(getattr(config, part))))
        except UserError as error:
            problems += [f"{part}: {problem}" for problem in error.problems]
    raise_all(problems)
    if not config.held_files:
        return data
    labels = [[_labels(data.rows[part], k) for k in range(len(data.tasks))] for part in PARTS]
    return replace(data, warnings=[*check_parts(labels, data.tasks, config.data_name), *data.warnings])


def checked_rows(config: Config, data: Prepared) -> Prepared:
    """The same with notes on row ids that appear more than once, and on rows with the features of a training row."""
    notes = [] if data.ids is None else repeated_ids(coded(pa.chunked_array([data.ids])), str(data.schema.id_column))
    equal = [] if data.keys is None else equal_rows(data.keys, data.split, is_drawn(config))
    return replace(data, notes=[*data.notes, *notes], warnings=[*data.warnings, *equal])


def _with_file(data: Prepared, part: str, path: Path) -> Prepared:
    schema, where, code = data.schema, path.name, FILES.index(part) + 1
    names = column_names(path)
    known = {*schema.feature_names, schema.id_column, *(task.name for task in schema.tasks)}
    if known.isdisjoint(set(names) - {schema.id_column} - set(schema.feature_names)):
        targets = ", ".join(task.name for task in schema.tasks)
        raise UserError(f"{path}: none of the targets is a column; expected at least one of {targets}")
    table, notes = read_cells(path, [name for name in names if name in known or name in data.together.values()])
    require_rows(table, path)
    rows, keys = _rows(data, table, path)
    ids = data.ids
    if ids is not None and (own := schema.ids(table, where=where)) is not None:
        ids = pa.chunked_array([pa.concat_arrays([ids.cast(pa.string()), own.cast(pa.string())])]).combine_chunks()
    if unused := schema.unused_columns(names):
        notes.append(f"not read by this run: {some_names(unused)}")
    if absent := [task.name for task in schema.tasks if task.name not in names]:
        notes.append(f"without the targets {some_names(absent)}")
    notes += [*far_values(schema, table), *invalid_molecules(schema, table), *unseen_values(schema, table)]
    return replace(
        data,
        split=np.append(data.split, np.full(len(rows), code, np.int8)),
        ids=ids,
        rows=data.rows | {part: rows},
        notes=[*data.notes, *(f"{where}: {note}" for note in notes)],
        keys=None if data.keys is None else np.append(data.keys, keys),
    )


def _rows(data: Prepared, table: pa.Table, path: Path) -> tuple[Rows, np.ndarray]:
    schema, where = data.schema, path.name
    inputs = inputs_of(table, schema, data.encoded, folder=path.parent, where=where)
    keys = row_keys(table, schema, {name: inputs[name] for name in schema.input_names})
    rows = labelled(inputs, table, schema, where=where)
    return replace(rows, groups=groups_in(table, data.together)), keys


def _labels(rows: Rows, position: int) -> np.ndarray:
    """``[n]`` or ``[n, L]``, NaN where there is none."""
    labels = rows.wide.get(position, rows.targets[:, position])
    if rows.observed is not None:
        known = rows.observed[:, position].view(-1, *[1] * (labels.ndim - 1))
        labels = torch.where(known, labels, torch.nan)
    return np.asarray(labels.numpy())
