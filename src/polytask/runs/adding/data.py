"""A table for the networks of a finished run: its columns as they were, with more targets or other labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ...config import Config
from ...config.target import first_metrics
from ...data import (
    PARTS,
    InferredTask,
    Rows,
    Schema,
    check_split,
    encode_label_sets,
    encode_tags,
    encode_targets,
    find_leaks,
    infer_targets,
    interpret,
    label_columns,
    read_cells,
    require_rows,
    sample_weights,
    with_columns_of_other_sources,
)
from ...data.equal_rows import row_keys
from ...data.sample_weights import check_weights, weight_columns
from ...data.targets import standardise_tasks
from ...errors import UserError, did_you_mean, raise_all
from ...task import Task
from ..preparation.asked import as_asked
from ..preparation.held_files import checked_rows, tags_for_words
from ..preparation.prepared import Prepared, configured, fingerprint
from ..preparation.reading import notes_on, reading_of, with_renamed
from ..preparation.splitting import aside_columns, column_problems
from .base import Base
from .kept_split import kept_split


@dataclass(frozen=True)
class Addition:
    """What is learned on top of a finished run.

    Attributes:
        base: The run.
        data: The table, with the run's tasks first and then the new ones.
        new: Names of the tasks that the run has not.
        again: Names of the run's tasks that learn further from their labels in this table.
    """

    base: Base
    data: Prepared
    new: tuple[str, ...]
    again: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """All tasks."""
        return [task.name for task in self.data.tasks]

    def learning(self, number: int, joins: Mapping[str, int]) -> list[str]:
        """The tasks that learn from labels in a network of the run: new ones that join it, and its own."""
        own = self.base.bundle.serves
        return [
            name for name in self.names if joins.get(name) == number or (name in self.again and number in own[name])
        ]

    def positions(self, names: Sequence[str]) -> list[int]:
        """Columns of some tasks."""
        return [self.names.index(name) for name in names]


def prepare_addition(config: Config, base: Base, stored_split: Path | None = None) -> Addition:
    """Read and check the table.

    Raises:
        UserError: All that is wrong with it at once, as far as possible.
    """
    schema, where = base.bundle.schema, config.data_name
    kinds = dict.fromkeys([*schema.word_columns, *(column.name for column in schema.temporal)], "words")
    reading = reading_of(config)
    cells, unusual = read_cells(str(config.data))
    table, found_in_cells = interpret(cells, replace(reading, kinds={**reading.kinds, **kinds}))
    require_rows(table, str(config.data))
    table = with_columns_of_other_sources(table, schema.feature_names, schema.word_columns, base.bundle.sources)
    table = schema.read(table)
    known = {task.name: task for task in schema.tasks}
    new = tuple(name for name in config.targets if name not in known)
    problems = _problems(config, base, table, where)
    try:
        inferred = _inferred(config, table, new, where)
    except UserError as error:
        raise_all([*problems, *error.problems])
    raise_all(problems)
    table = with_renamed(table, list(inferred.values()))
    old = [_old(task, config) for task in schema.tasks]
    again = tuple(task.name for task in old if task.name in config.targets)
    tasks = [*old, *(inferred[name].task for name in new)]
    named = [task for task in tasks if task.name in config.targets]
    labels = encode_targets(table, named, where=where)
    wide = encode_label_sets(table, named, where=where) | encode_tags(table, named, where=where)
    keys = row_keys(table, schema)
    split, said = kept_split(config, base, table, keys, *label_columns(labels, wide, named), stored_split, where)
    warnings = check_split(split, labels.numpy(), named, where=where, wide=wide)
    fresh = iter(standardise_tasks(table, tasks[len(old) :], split == 0, where))
    schema = replace(
        schema,
        tasks=(*old, *fresh),
        ignored=(*weight_columns(config.sample_weight), *aside_columns(config)),
        id_column=config.id or (schema.id_column if schema.id_column in table.column_names else None),
        split_column=config.split if isinstance(config.split, str) else None,
        renamed=dict(schema.renamed) | {name: dict(one.renamed) for name, one in inferred.items() if one.renamed},
    )
    warnings += find_leaks(table, replace(schema, tasks=tuple(t for t in schema.tasks if t.name in config.targets)))
    rows = _rows(config, table, base, schema, where)
    parts = {part: rows.subset(torch.from_numpy(np.flatnonzero(split == code))) for code, part in enumerate(PARTS)}
    reasons = [inferred.get(task.name) or InferredTask(task, _said(task.name, again, base)) for task in schema.tasks]
    ids = schema.ids(table, where=where)
    sources = [list(columns) for columns in base.bundle.sources]
    notes = [*unusual, *found_in_cells, *said, *notes_on(list(inferred.values()), schema, table)]
    data = Prepared(schema, tuple(reasons), split, ids, parts, warnings, fingerprint(config), sources,
                    base.bundle.encoded, notes, keys)  # fmt: skip
    return Addition(base, checked_rows(data), new, again)


def _inferred(config: Config, table: pa.Table, new: Sequence[str], where: str) -> dict[str, InferredTask]:
    """What the new targets are."""
    if not new:
        return {}
    options: dict[str, Any] = {
        option: {name: value for name, value in getattr(config, key).items() if name in new}
        for option, key in (("kinds", "kind"), ("weights", "weights"))
    }
    options["metrics"] = {name: metric for name, metric in first_metrics(config).items() if name in new}
    found = configured(infer_targets(table, where=where, targets=new, rare=config.rare, **options), config)
    return {one.task.name: one for one in found}


def _problems(config: Config, base: Base, table: pa.Table, where: str) -> list[str]:
    schema, known = base.bundle.schema, {task.name: task for task in base.bundle.schema.tasks}
    problems = check_weights(table, config.sample_weight, where=where) + column_problems(config, table, where)
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
        for name, role in ((config.id, "row id"), (config.split if isinstance(config.split, str) else None, "split"))
        if name is not None and name not in table.column_names
    ]


def _old(task: Task, config: Config) -> Task:
    """A task of the run, with the metric, weight and losses that are asked for now."""
    asked = as_asked(replace(task, weight=config.weights.get(task.name, task.weight)), config)
    return replace(asked, transform=task.transform, parameters=task.parameters)  # the head's units stay


def _said(name: str, again: Sequence[str], base: Base) -> str:
    return f"as in {base.path.name}; " + ("learns again from its labels" if name in again else "held as it is")


def _rows(config: Config, table: pa.Table, base: Base, schema: Schema, where: str) -> Rows:
    inputs = base.bundle.inputs(table, folder=Path(str(config.data)).parent, where=where)
    rows = Rows.from_matrix(inputs, schema.encode_targets(table, where=where, partial=True))
    wide = encode_label_sets(table, schema.tasks, where=where, partial=True)
    rows = replace(rows, wide=wide | tags_for_words(table, schema, where=where, partial=True))
    if config.sample_weight is None:
        return rows
    names = [task.name for task in schema.tasks]
    return rows.with_weights(sample_weights(table, config.sample_weight, names, where=where))
