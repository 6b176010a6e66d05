"""A table that is read at once, or several under one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ...config import Config
from ...data import (
    PARTS,
    Rows,
    Schema,
    check_split,
    encode_targets,
    encode_wide,
    label_columns,
    read_sources,
    sample_weights,
)
from ...data.equal_rows import row_keys
from ...data.targets import target_numbers
from ...errors import UserError
from ...records.folder import RunFolder
from ...task import Task
from .earned_scales import earned_scales, judged_targets, stored_targets
from .earned_texts import idle_texts, inputs_without, without_texts
from .encoded import EncodedColumns, pretrained
from .labelled import labelled
from .prepared import device_of_features
from .reading import reading_of
from .source import TableSource
from .splitting import split_rows, with_scaffolds


class Table(TableSource):
    """Rows of one table, or of several; see :class:`~polytask.runs.preparation.source.Source`."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.paths = [source.table for source in config.sources]
        labels = [source.targets for source in config.sources]
        self.sources = read_sources(self.paths, labels, config.targets, reading_of(config))
        self.table, self.decimal, self.units = self.sources.table, self.sources.decimal, self.sources.units
        self.notes += self.sources.notes

    @classmethod
    def takes(cls, config: Config) -> bool:
        """Any table."""
        return True

    def column(self, name: str) -> pa.ChunkedArray:
        return self.table.column(name)

    def split(self, tasks: Sequence[Task], stored: Path | None) -> np.ndarray:
        labels = encode_targets(self.table, tasks, where=self.where, precise=True)
        wide = encode_wide(self.table, tasks, where=self.where)
        split, said = self.drawn(*label_columns(labels, wide, tasks), stored)
        self.notes += said
        if not self.config.held_files:
            tested = self.config.folds is None or self.config.fold is not None
            self.warnings += check_split(split, labels.numpy(), tasks, where=self.where, wide=wide, tested=tested)
        return split

    def drawn(self, labels: np.ndarray, tasks: Sequence[Task], stored: Path | None) -> tuple[np.ndarray, list[str]]:
        """The part of every row, and notes; see :func:`~polytask.runs.preparation.splitting.split_rows`."""
        cells = with_scaffolds(self.config, self.table, self.table.column, self.where)
        return split_rows(self.config, cells, labels, tasks, stored, self.where)

    def rows(self, schema: Schema, split: np.ndarray) -> tuple[dict[str, Rows], EncodedColumns | None]:
        inputs, encoded = self.inputs(schema, split == 0)
        rows = labelled(inputs, self.table, schema, where=self.where)
        if self.config.sample_weight is not None:
            names = [task.name for task in schema.tasks]
            rows = rows.with_weights(sample_weights(self.table, self.config.sample_weight, names, where=self.where))
        if len(self.paths) > 1:
            rows = replace(rows, source=torch.from_numpy(self.sources.source))
        rows = replace(rows, groups=self.groups(split))
        self.ids = schema.ids(self.table, where=self.where)
        self.places = {part: torch.from_numpy(np.flatnonzero(split == code)) for code, part in enumerate(PARTS)}
        return {part: rows.subset(place) for part, place in self.places.items()}, encoded

    def inputs(self, schema: Schema, train: np.ndarray) -> tuple[dict[str, Any], EncodedColumns | None]:
        """What the networks take of all rows, with what a pretrained encoder has learned from the training rows."""
        inputs: dict[str, Any] = schema.encode_inputs(self.table, where=self.where)
        self.of_table = inputs
        self.keys = row_keys(self.table, schema, inputs)
        if (encoder := pretrained(self.config)) is None:
            return inputs, None
        device = device_of_features(self.config)
        encoded = EncodedColumns.fit(encoder, schema, self.table, train, where=self.where, device=device)
        folder = common_folder(self.paths, encoded)
        encoded, found = encoded.fitted(self.table, train, folder=folder, where=self.where)
        return inputs | found, encoded

    def chosen(self, schema: Schema, rows: dict[str, Rows], stored: Path | None) -> tuple[Schema, dict[str, Rows]]:
        decided = stored and RunFolder(stored.parent).schema
        schema, rows = self._scaled(schema, rows, decided)
        idle = idle_texts(self.config, schema, rows, decided)
        if not idle:
            return schema, rows
        named = tuple(f"{schema.text[place].name!r}: text, " for place in idle)
        self.notes = [note for note in self.notes if not note.startswith(named)]
        self.warnings += filter(None, idle.values())
        left = {part: replace(own, inputs=inputs_without(own.inputs, schema, idle)) for part, own in rows.items()}
        self.keys = row_keys(self.table, without_texts(schema, idle), inputs_without(self.of_table, schema, idle))
        return without_texts(schema, idle), left

    def _scaled(self, schema: Schema, rows: dict[str, Rows], decided: Path | None) -> tuple[Schema, dict[str, Rows]]:
        """The same with skewed targets on the scales that validation chooses."""
        judged = judged_targets(self.config, schema.tasks, rows["train"])
        if not judged or not len(rows["validation"]):
            return schema, rows
        own = [schema.tasks[place] for place in judged]
        values = np.stack([target_numbers(self.table[task.name], self.where) for task in own], 1)
        labels = {part: values[place.numpy()] for part, place in self.places.items()}
        alone = {part: found.only_tasks(judged) for part, found in rows.items()}
        scaled, notes = earned_scales(own, alone, labels, self.config.seed, decided)
        self.notes += notes
        tasks, left = list(schema.tasks), dict(rows)
        for place, task in zip(judged, scaled, strict=True):
            tasks[place] = task
        for part, found in rows.items():
            targets = found.targets.clone()
            targets[:, judged] = stored_targets(scaled, labels[part])
            left[part] = replace(found, targets=targets)
        return replace(schema, tasks=tuple(tasks)), left

    def columns_of_sources(self, schema: Schema) -> list[list[str]]:
        return self.sources.with_features(schema.feature_names) if len(self.paths) > 1 else []


def common_folder(paths: Sequence[str], encoded: EncodedColumns) -> Path:
    """The folder that paths of images are relative to.

    Raises:
        UserError: If tables with images lie in several.
    """
    folders = {Path(path).resolve().parent for path in paths}
    if encoded.checkpoint.reads == "image" and len(folders) > 1:
        raise UserError(f"data: tables with paths of images have to lie in one folder, found {len(folders)}; "
                        "move them into one folder")  # fmt: skip
    return folders.pop()
