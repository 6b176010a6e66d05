"""What trainings need of the data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ...config import Config
from ...config.target import first_metrics
from ...data import (
    InferredTask,
    Rows,
    Schema,
    all_marks,
    check_columns,
    check_weights,
    infer_targets,
    save_split,
)
from ...data.arrays import MANIFEST, is_arrays
from ...data.features import fit_column
from ...data.formats import files_of
from ...data.marks import without_marks
from ...data.problems import collected
from ...data.roles import feature_names
from ...data.targets import target_numbers
from ...display.text import fewer, some_names
from ...errors import UserError, raise_all
from ...files import sha256, write_json
from ...task import Task
from .asked import as_asked, check_bounds
from .encoded import EncodedColumns
from .header import cell_problems, column_problems, roles_of
from .overview import LONGEST_LINE, overview

#: Targets up to which each has its line.
MOST_LINES = 24


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
        encoded: Columns that a pretrained encoder reads, if there is one.
        notes: What was found in files and columns.
        keys: ``[n]`` by which rows are found again, see :func:`~polytask.data.equal_rows.row_keys`; None if unknown.
        together: What rows are grouped by, see :func:`~polytask.runs.preparation.splitting.groups_in`.
    """

    schema: Schema
    inferred: tuple[InferredTask, ...]
    split: np.ndarray
    ids: pa.Array | None
    rows: dict[str, Rows]
    warnings: list[str]
    fingerprint: str
    source_columns: list[list[str]] = field(default_factory=list)
    encoded: EncodedColumns | None = None
    notes: list[str] = field(default_factory=list)
    keys: np.ndarray | None = None
    together: Mapping[str, str] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, with the scales of regression targets."""
        return self.schema.tasks

    def with_thresholds(self, thresholds: Mapping[str, float]) -> Prepared:
        """The same with other thresholds of some tasks."""
        return replace(self, schema=replace(self.schema, tasks=with_thresholds(self.tasks, thresholds)))

    def with_temperatures(self, temperatures: Mapping[str, float]) -> Prepared:
        """The same with other temperatures of some tasks."""
        return replace(self, schema=replace(self.schema, tasks=with_temperatures(self.tasks, temperatures)))

    def describe(self) -> list[str]:
        """Lines for the user: how targets, columns and rows were understood."""
        each = list(map(_described, self.inferred, self.tasks))
        lines = ["targets:", *(each if len(each) <= MOST_LINES else self._summarised()), "features:"]
        lines += [f"  {shorten(line, LONGEST_LINE, placeholder=' ...')}" for line in self.schema.describe()]
        if self.encoded:
            stored = self.rows["train"].stored is not None
            lines.append(f"  {self.encoded.describe(sum(map(len, self.rows.values())), stored=stored)}")
        if self.notes:
            lines += ["reading:"]
            lines += [f"  {shorten(note, LONGEST_LINE, placeholder=' ...')}" for note in fewer(self.notes)]
        sizes = ", ".join(
            f"{part} {len(rows):,}{' (read while training)' if rows.stored else ''}" for part, rows in self.rows.items()
        )
        sampled = "; kinds and statistics of columns are those of a sample" if self.rows["train"].stored else ""
        return [*lines, f"rows: {sizes}{sampled}"]

    def _summarised(self) -> list[str]:
        """Many targets: one line for those of one kind, and what stands out."""
        groups: dict[str, list[str]] = {}
        for task in self.tasks:
            classes = f", {len(task.classes)} classes" if len(task.classes) > 2 else ""
            weight = "" if task.weight == 1 else f", weight {task.weight:g}"
            groups.setdefault(f"{task.kind}{classes}; metric {task.metric}{weight}", []).append(task.name)
        lines = [f"  {len(names):,} {what}: {some_names(names, 5)}" for what, names in groups.items()]
        counts = self.rows["train"].label_counts().tolist()
        ordered = sorted(zip(counts, (task.name for task in self.tasks), strict=True))
        fewest = ", ".join(f"{name} ({count:,})" for count, name in ordered[:3])
        middle = ordered[len(ordered) // 2][0]
        return [*lines, f"  labels for training: half of the targets have {middle:,} or more; fewest: {fewest}"]

    def started(self) -> dict[str, Any]:
        """Rows of every part, labels of every task in training, warnings, and an overview of the data."""
        counts = self.rows["train"].label_counts().tolist()
        return {
            "rows": {part: len(rows) for part, rows in self.rows.items()},
            "labels": dict(zip((task.name for task in self.tasks), counts, strict=True)),
            "warnings": list(self.warnings),
            **overview(self.schema, self.rows, self.notes),
        }

    def save(self, schema: Path, split: Path, encoder: Path) -> None:
        """Write the transformation, with a pretrained encoder that it uses, and the split."""
        stored = self.schema.to_dict()
        if self.source_columns:
            stored["sources"] = self.source_columns
        if self.together:
            stored["together"] = dict(self.together)
        write_json(schema, stored)
        save_split(split, self.split, self.ids, self.keys)
        if self.encoded:
            self.encoded.save(encoder)


def with_thresholds(tasks: Sequence[Task], thresholds: Mapping[str, float]) -> tuple[Task, ...]:
    """The tasks, some with other thresholds."""
    return tuple(replace(task, threshold=thresholds.get(task.name, task.threshold)) for task in tasks)


def with_temperatures(tasks: Sequence[Task], temperatures: Mapping[str, float]) -> tuple[Task, ...]:
    """The tasks, some with other temperatures."""
    return tuple(replace(task, temperature=temperatures.get(task.name, task.temperature)) for task in tasks)


def described(task: Task) -> Iterator[str]:
    """What is particular about how a task is learned and predicted, for the user to read."""
    if isinstance(task.class_weights, str) and task.class_weights:
        yield f"class weights {task.class_weights}"
    elif task.class_weights:
        pairs = zip(task.classes, task.class_weights, strict=True)
        yield f"class weights {', '.join(f'{name} {weight:g}' for name, weight in pairs)}"
    if "focal" in dict(task.losses):
        yield f"focal loss with gamma {task.gamma:g}"
    if task.threshold != 0.5:
        yield f"{task.classes[1]!r} at a probability of {task.threshold:g} on"
    if task.transform:
        yield f"learned on the scale {task.transform}"
    ends = [f"{word} {end:g}" for word, end in (("at least", task.low), ("at most", task.high)) if end is not None]
    if ends:
        yield f"predictions {' and '.join(ends)}"


def _described(found: InferredTask, task: Task) -> str:
    """A line about one target."""
    shown = ", ".join(task.classes[:6]) + (", ..." if len(task.classes) > 6 else "")
    classes = f" {shown};" if shown else ""
    weight = "" if task.weight == 1 else f"; weight {task.weight:g}"
    metric = "metric" if len(task.metrics) == 1 else "metrics"
    line = f"  {task.name}: {task.kind};{classes} {found.reason}; {metric} {', '.join(task.metrics)}{weight}"
    return line + "".join(f"; {more}" for more in described(task))


def judge_columns(config: Config, table: pa.Table, where: str) -> tuple[tuple[InferredTask, ...], dict[str, Any]]:
    """What the targets are, and what the other columns are for, as ``Schema.fit`` takes it.

    Raises:
        UserError: All mistakes at once.
    """
    roles = roles_of(config, table.column_names)
    raise_all(cell_problems(config, table, where))
    problems = check_weights(table, config.sample_weight, where=where)
    problems += column_problems(config, table.column_names, where)
    problems += check_columns(table, where=where, targets=config.targets, **roles)
    try:
        inferred = infer_targets(
            table, where=where, targets=config.targets, kinds=config.kind, metrics=first_metrics(config),
            weights=config.weights, rare=config.rare,
        )  # fmt: skip
    except UserError as error:
        more = _problems_of_features(config, table, roles, where)  # what else would be found after this is corrected
        raise_all(list(dict.fromkeys([*problems, *error.problems, *more])))
    raise_all(problems)
    cells = {
        "missing": all_marks(config.missing),
        "renamed": {found.task.name: dict(found.renamed) for found in inferred if found.renamed},
    }
    asked = configured(inferred, config)
    for task in (found.task for found in asked):
        if task.name in config.bounds:
            with collected(problems):
                check_bounds(task, target_numbers(table[task.name], where), f"{where}: target {task.name!r}")
    raise_all(problems)
    return asked, roles | cells


def _problems_of_features(config: Config, table: pa.Table, roles: Mapping[str, Any], where: str) -> list[str]:
    """Cells of features that are no numbers, dates or words throughout."""
    others = (roles[role] for role in ("features", "ignore", "id_column", "split_column"))
    encoded = learned_for_encoder(config).get("encoded", "")
    problems: list[str] = []
    for name in feature_names(table.column_names, config.targets, *others):
        if name in table.column_names:
            with collected(problems):
                cells, kind = without_marks(table[name], all_marks(config.missing)), config.column_kind.get(name, "")
                fit_column(cells, name, np.ones(len(table), bool), kind, where=where, encoded=encoded)
    return problems


def configured(inferred: Iterable[InferredTask], config: Config) -> tuple[InferredTask, ...]:
    """The tasks as the user wants them learned, measured and predicted.

    Raises:
        UserError: All that does not fit them at once.
    """
    found: list[InferredTask] = []
    problems: list[str] = []
    for one in inferred:
        try:
            found.append(replace(one, task=as_asked(one.task, config)))
        except UserError as error:
            problems += error.problems
    raise_all(problems)
    return tuple(found)


def learned_for_encoder(config: Config) -> dict[str, Any]:
    """Arguments of ``Schema.fit`` by which the encoder gets what it needs of the training rows."""
    encoder = config.named_encoder
    return {} if encoder is None else encoder.schema_options()


def device_of_features(config: Config) -> str:
    """Where features of a frozen encoder are computed."""
    return "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"


def fingerprint(config: Config) -> str:
    """SHA-256 of the data, of several files that of their fingerprints, of a folder that of its manifest."""
    paths = [Path(table) for table in config.tables]
    files = [file for path in paths for file in ([path / MANIFEST] if is_arrays(path) else files_of(path))]
    prints = [sha256(file) for file in files]
    return prints[0] if len(prints) == 1 else hashlib.sha256(" ".join(prints).encode()).hexdigest()


def labelled_rows(rows: Rows, positions: list[int]) -> Rows:
    """The columns of some tasks, and only rows with a label for at least one of them."""
    chosen, places = rows.only_tasks(positions), labelled_places(rows, positions)
    return chosen if places is None else chosen.subset(places)  # nothing is copied where nothing is left out


def labelled_places(rows: Rows, positions: Iterable[int]) -> torch.Tensor | None:
    """``[n]``, which rows :func:`labelled_rows` takes; None for all."""
    observed = rows.only_tasks(list(positions)).observed
    labelled = None if observed is None else observed.any(1)
    return None if labelled is None or bool(labelled.all()) else labelled.nonzero()[:, 0]
