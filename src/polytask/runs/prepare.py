"""From a file to labelled rows: read, check, infer, split, encode."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..config import Config
from ..data import (
    PARTS,
    InferredTask,
    Rows,
    Schema,
    check_columns,
    check_split,
    check_weights,
    encode_targets,
    find_leaks,
    infer_targets,
    load_split,
    make_split,
    read_sources,
    read_table,
    sample_weights,
    save_split,
    split_from_column,
    weight_columns,
)
from ..errors import UserError, raise_all
from ..files import sha256, write_json
from ..task import Task

#: Characters of a line that says how columns were understood; tables can have thousands of columns.
LONGEST_LINE = 240


@dataclass(frozen=True)
class Prepared:
    """Everything that trainings need of the data.

    Attributes:
        schema: The stored transformation, with the tasks.
        inferred: How each target's kind was found.
        split: ``[n]`` part of every row, 0 train, 1 validation, 2 test.
        ids: Row ids, or None.
        rows: Labelled rows by the name of their part.
        warnings: What the user should know.
        fingerprint: SHA-256 of the file.
        source_columns: Feature columns of each data set if there are several.
    """

    schema: Schema
    inferred: tuple[InferredTask, ...]
    split: np.ndarray
    ids: pa.Array | None
    rows: dict[str, Rows]
    warnings: list[str]
    fingerprint: str
    source_columns: list[list[str]] = field(default_factory=list)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, with the scales of regression targets."""
        return self.schema.tasks

    def describe(self) -> list[str]:
        """Lines for the user: how targets, columns and rows were understood."""
        lines = ["targets:"]
        for found, task in zip(self.inferred, self.tasks, strict=True):
            shown = ", ".join(task.classes[:6]) + (", ..." if len(task.classes) > 6 else "")
            classes = f" {shown};" if shown else ""
            weight = "" if task.weight == 1 else f"; weight {task.weight:g}"
            lines.append(f"  {task.name}: {task.kind};{classes} {found.reason}; metric {task.metric}{weight}")
        lines.append("features:")
        lines += [f"  {shorten(line, LONGEST_LINE, placeholder=' ...')}" for line in self.schema.describe()]
        sizes = ", ".join(f"{part} {len(rows):,}" for part, rows in self.rows.items())
        return [*lines, f"rows: {sizes}"]

    def save(self, schema: Path, split: Path) -> None:
        """Write the transformation and the split."""
        stored = self.schema.to_dict()
        if self.source_columns:
            stored["sources"] = self.source_columns
        write_json(schema, stored)
        save_split(split, self.split, self.ids)


def prepare(config: Config, stored_split: Path | None = None) -> Prepared:
    """Read and check the data of a run.

    Args:
        config: The run's configuration.
        stored_split: A split saved earlier, used instead of drawing one.

    Raises:
        UserError: Whatever is wrong with the file or its columns, as much as possible at once.
    """
    where = config.data_name
    paths = [source.table for source in config.sources]
    table, source = read_sources(paths, [source.targets for source in config.sources], config.targets)
    split_column = config.split if isinstance(config.split, str) else None
    roles: dict[str, Any] = {
        "features": config.features,
        "ignore": (*config.ignore, *(c for c in weight_columns(config.sample_weight) if c in table.column_names)),
        "id_column": config.id,
        "split_column": split_column,
        "column_kinds": config.column_kind,
    }
    problems = check_weights(table, config.sample_weight, where=where)
    problems += check_columns(table, where=where, targets=config.targets, **roles)
    try:
        inferred = infer_targets(
            table, where=where, targets=config.targets, kinds=config.kind, metrics=config.metric, weights=config.weights
        )
    except UserError as error:
        raise_all(list(dict.fromkeys([*problems, *error.problems])))
    raise_all(problems)
    tasks = tuple(found.task for found in inferred)
    labels = encode_targets(table, tasks, where=where)
    split = _split(config, table, labels.numpy(), tasks, stored_split, where)
    warnings = check_split(split, labels.numpy(), tasks, where=where)
    schema = Schema.fit(table, tasks, where=where, train=split == 0, **roles)
    warnings += find_leaks(table, schema)
    everything = Rows.from_matrix(schema.encode_inputs(table, where=where), schema.encode_targets(table, where=where))
    if config.sample_weight is not None:
        everything = everything.with_weights(sample_weights(table, config.sample_weight, config.targets, where=where))
    if len(paths) > 1:
        everything = replace(everything, source=torch.from_numpy(source))
    rows = {part: everything.subset(torch.from_numpy(np.flatnonzero(split == code))) for code, part in enumerate(PARTS)}
    columns = [source_features(schema, path) for path in paths] if len(paths) > 1 else []
    ids = schema.ids(table, where=where)
    return Prepared(schema, inferred, split, ids, rows, warnings, fingerprint(config), columns)


def fingerprint(config: Config) -> str:
    """SHA-256 of the data, of several files that of their fingerprints."""
    prints = [sha256(Path(source.table)) for source in config.sources]
    return prints[0] if len(prints) == 1 else hashlib.sha256(" ".join(prints).encode()).hexdigest()


def source_features(schema: Schema, path: str) -> list[str]:
    """Feature columns of one of several data sets."""
    known = read_table(path).column_names
    return [name for name in schema.feature_names if name in known]


def _split(
    config: Config, table: pa.Table, labels: np.ndarray, tasks: tuple[Task, ...], stored: Path | None, where: str
) -> np.ndarray:
    if stored is not None and stored.exists():
        return load_split(stored)[0]
    if isinstance(config.split, str):
        return split_from_column(table, config.split, where)
    return make_split(labels, [task.kind for task in tasks], config.split, config.seed)


def labelled_rows(rows: Rows, positions: list[int]) -> Rows:
    """The columns of some tasks, and only rows with a label for at least one of them."""
    chosen = rows.only_tasks(positions)
    if chosen.observed is None:
        return chosen
    return chosen.subset(chosen.observed.any(1).nonzero()[:, 0])
