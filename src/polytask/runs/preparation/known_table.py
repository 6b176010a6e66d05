"""A table for the networks of a finished run: its columns as they were, with more targets or other labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...config import Config
from ...config.split import split_column
from ...config.target import first_metrics
from ...data import (
    InferredTask,
    Rows,
    Schema,
    infer_targets,
    interpret,
    read_cells,
    require_rows,
    with_columns_of_other_sources,
)
from ...data.as_trained import check_unit
from ...data.equal_rows import row_keys
from ...data.problems import collected
from ...data.roles import weight_columns
from ...data.sample_weights import check_weights
from ...data.targets import standardise_tasks
from ...errors import UserError, did_you_mean, raise_all
from ...task import Task
from ..adding.base import Base
from .asked import as_asked
from .encoded import EncodedColumns
from .header import aside_columns, cell_problems, column_problems
from .kept_split import kept_split
from .prepared import configured
from .reading import notes_on, reading_of, with_renamed
from .source import Source
from .suspicions import suspicions
from .table import Table


class KnownTable(Table):
    """Rows whose features are read as a finished run reads them; its tasks come first."""

    def __init__(self, config: Config, base: Base) -> None:
        Source.__init__(self, config)
        self.base, self.paths = base, [str(config.data)]
        schema, reading = base.bundle.schema, reading_of(config)
        kinds = dict.fromkeys([*schema.word_columns, *(column.name for column in schema.temporal)], "words")
        cells, unusual = read_cells(self.paths[0])
        table, found, self.decimal, self.units = interpret(
            cells, replace(reading, kinds={**reading.kinds, **kinds}, decimal=schema.decimal)
        )
        problems: list[str] = []
        for name, unit in schema.units.items():
            with collected(problems):
                check_unit(self.units.get(name, ""), unit, f"{self.paths[0]}: column {name!r}")
        raise_all(problems)
        require_rows(table, self.paths[0])
        table = with_columns_of_other_sources(table, schema.feature_names, schema.word_columns, base.bundle.sources)
        self.table = schema.read(table)
        self.notes += [*unusual, *found]

    def targets(self) -> tuple[InferredTask, ...]:
        known = self.base.bundle.schema.tasks
        new = [name for name in self.config.targets if name not in {task.name for task in known}]
        problems = _problems(self.config, self.base, self.table, self.where)
        try:
            self.inferred = _inferred(self.config, self.table, new, self.where)
        except UserError as error:
            raise_all([*problems, *error.problems])
        raise_all(problems)
        self.table = with_renamed(self.table, self.inferred)
        old = [InferredTask(_old(task, self.config), self._said(task.name)) for task in known]
        return (*old, *self.inferred)

    def _said(self, name: str) -> str:
        how = "learns again from its labels" if name in self.config.targets else "held as it is"
        return f"as in {self.base.path.name}; {how}"

    def split(self, tasks: Sequence[Task], stored: Path | None) -> np.ndarray:
        self.keys = row_keys(self.table, self.base.bundle.schema)
        return super().split([task for task in tasks if task.name in self.config.targets], stored)

    def drawn(self, labels: np.ndarray, tasks: Sequence[Task], stored: Path | None) -> tuple[np.ndarray, list[str]]:
        assert self.keys is not None
        return kept_split(self.config, self.base, self.table, self.keys, labels, tasks, stored, self.where)

    def schema(self, tasks: Sequence[Task], split: np.ndarray) -> Schema:
        config, known = self.config, self.base.bundle.schema
        old, new = tasks[: len(known.tasks)], tasks[len(known.tasks) :]
        schema = replace(
            known,
            tasks=(*old, *standardise_tasks(self.table, new, split == 0, self.where)),
            ignored=(*weight_columns(config.sample_weight), *aside_columns(config)),
            id_column=config.id or (known.id_column if known.id_column in self.table.column_names else None),
            split_column=split_column(config),
            decimal=known.decimal or self.decimal,
            units={**self.units, **known.units},
            renamed=dict(known.renamed) | {one.task.name: dict(one.renamed) for one in self.inferred if one.renamed},
        )
        learning = tuple(task for task in schema.tasks if task.name in config.targets)
        self.warnings += suspicions(self.table, replace(schema, tasks=learning))
        self.notes += notes_on(self.inferred, schema, self.table)
        return schema

    def inputs(self, schema: Schema, train: np.ndarray) -> tuple[dict[str, Any], EncodedColumns | None]:
        bundle = self.base.bundle
        return bundle.inputs(self.table, folder=Path(self.paths[0]).parent, where=self.where), bundle.encoded

    def chosen(self, schema: Schema, rows: dict[str, Rows], stored: Path | None) -> tuple[Schema, dict[str, Rows]]:
        return schema, rows  # the finished run has decided

    def columns_of_sources(self, schema: Schema) -> list[list[str]]:
        return [list(columns) for columns in self.base.bundle.sources]


def _inferred(config: Config, table: pa.Table, new: Sequence[str], where: str) -> tuple[InferredTask, ...]:
    """What the new targets are."""
    if not new:
        return ()
    options: dict[str, Any] = {
        option: {name: value for name, value in getattr(config, key).items() if name in new}
        for option, key in (("kinds", "kind"), ("weights", "weights"))
    }
    options["metrics"] = {name: metric for name, metric in first_metrics(config).items() if name in new}
    return configured(infer_targets(table, where=where, targets=new, rare=config.rare, **options), config)


def _problems(config: Config, base: Base, table: pa.Table, where: str) -> list[str]:
    schema, known = base.bundle.schema, {task.name: task for task in base.bundle.schema.tasks}
    raise_all(cell_problems(config, table, where))
    problems = check_weights(table, config.sample_weight, where=where)
    problems += column_problems(config, table.column_names, where)
    problems += [
        f"{where}: column {name!r}, which {base.path} reads, is missing; {did_you_mean(name, table.column_names)}"
        for name in schema.feature_names
        if name not in table.column_names
    ]
    problems += [
        f"targets: {name!r} is a column that the networks of {base.path} read, so they cannot learn to predict it"
        for name in config.targets
        if name in schema.feature_names
    ]
    problems += [
        f"{where}: there is no column {name!r}; {did_you_mean(name, table.column_names)}"
        for name in config.targets
        if name in known and name not in table.column_names
    ]
    problems += [
        f"kind: {name!r} is {known[name].kind} in {base.path}, found {kind}; leave the kind out, or rename the column "
        "and add it as another target"
        for name, kind in config.kind.items()
        if name in known and kind != known[name].kind
    ]
    return problems + [
        f"{where}: there is no column {name!r} ({role}); {did_you_mean(name, table.column_names)}"
        for name, role in ((config.id, "row id"), (split_column(config), "split"))
        if name is not None and name not in table.column_names
    ]


def _old(task: Task, config: Config) -> Task:
    """A task of the run, with the metric, weight and losses that are asked for now."""
    asked = as_asked(replace(task, weight=config.weights.get(task.name, task.weight)), config)
    return replace(asked, transform=task.transform, parameters=task.parameters)  # the head's units stay
