"""The way from data to labelled rows, which every source goes step by step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from torch import Tensor

from ...config import Config
from ...config.split import SCAFFOLD
from ...data import PARTS, InferredTask, Rows, Schema
from ...data.split_groups import date_order
from ...task import Task
from ...task.prediction_columns import check_prediction_columns, interval_notes
from .encoded import EncodedColumns
from .held_files import checked_rows, with_held_files
from .prepared import Prepared, fingerprint, judge_columns, learned_for_encoder
from .reading import notes_on, with_renamed
from .splitting import TIME, groups_in, molecule_column, order_of
from .suspicions import suspicions


class Source(ABC):
    """The data of a run: read at once, or as far as their steps need it.

    Attributes:
        where: Name of the data in messages.
        notes: What was found in files and columns.
        warnings: What the user should know.
        ids: ``[n]`` row ids, where there are any.
        keys: ``[n]`` by which rows are found again, where they are known.
    """

    #: Whether features stay in the file; None where that is no question.
    streams: bool | None = False

    def __init__(self, config: Config) -> None:
        self.config = config
        self.where = config.data_name
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.ids: pa.Array | None = None
        self.keys: np.ndarray | None = None

    @classmethod
    @abstractmethod
    def takes(cls, config: Config) -> bool:
        """Whether data are of this form."""

    def prepared(self, stored_split: Path | None = None) -> Prepared:
        """All steps, from the targets to the rows of separate files.

        Args:
            stored_split: A split saved earlier, used instead of drawing one.

        Raises:
            UserError: Whatever is wrong, as much as possible at once.
        """
        inferred = self.targets()
        tasks = tuple(found.task for found in inferred)
        split = self.split(tasks, stored_split)
        schema = self.schema(tasks, split)
        check_prediction_columns(schema.tasks, schema.id_column, self.config.interval is not None)
        self.notes += interval_notes(schema.tasks) if self.config.interval is not None else []
        rows, encoded = self.rows(schema, split)
        schema, rows = self.chosen(schema, rows, stored_split)
        data = Prepared(schema, inferred, split, self.ids, rows, self.warnings, fingerprint(self.config),
                        self.columns_of_sources(schema), encoded, self.notes, self.keys,
                        self.together())  # fmt: skip
        return checked_rows(self.config, with_held_files(self.config, data))

    @abstractmethod
    def targets(self) -> tuple[InferredTask, ...]:
        """What is to be predicted, if known without a split."""

    @abstractmethod
    def split(self, tasks: Sequence[Task], stored: Path | None) -> np.ndarray:
        """``[n]`` int8 part of every row, 0 train, 1 validation, 2 test."""

    @abstractmethod
    def schema(self, tasks: Sequence[Task], split: np.ndarray) -> Schema:
        """The transformation, learned from the training rows."""

    @abstractmethod
    def rows(self, schema: Schema, split: np.ndarray) -> tuple[dict[str, Rows], EncodedColumns | None]:
        """Labelled rows by the name of their part, and the columns that a pretrained encoder reads."""

    def chosen(self, schema: Schema, rows: dict[str, Rows], stored: Path | None) -> tuple[Schema, dict[str, Rows]]:
        """The schema and the rows without columns that do not help; ``stored``: see :meth:`prepared`."""
        return schema, rows

    def together(self) -> dict[str, str]:
        """What rows are grouped by, see :func:`~polytask.runs.preparation.splitting.groups_in`."""
        return {}

    def columns_of_sources(self, schema: Schema) -> list[list[str]]:
        """Feature columns of each data set if there are several."""
        return []


class TableSource(Source):
    """Tables, whose columns are judged by rows in memory: all of them, or a sample.

    Attributes:
        table: These rows.
        decimal: The sign before decimals in its columns, see :class:`~polytask.data.reading.Interpreted`, as ``units``.
    """

    table: pa.Table
    decimal: str
    units: Mapping[str, str]

    @abstractmethod
    def column(self, name: str) -> pa.ChunkedArray:
        """A column of all rows."""

    def together(self) -> dict[str, str]:
        if self.config.split == SCAFFOLD:
            return {SCAFFOLD: molecule_column(self.config, self.table, self.where)}
        if self.config.time is not None:
            order = date_order(self.column(self.config.time), order_of(self.config))
            return {f"{TIME} {order}".strip(): self.config.time}
        return {} if self.config.group is None else {"group": self.config.group}

    def groups(self, split: np.ndarray) -> Tensor | None:
        """``[n]`` which rows count as one in standard errors; None if all differ."""
        together, held = self.together(), np.bincount(split, minlength=len(PARTS))[1:]
        columns = pa.table({name: self.column(name) for name in together.values()})
        return groups_in(columns, together, int(min(held[held > 0], default=len(split))))

    def judged(self, split: np.ndarray) -> np.ndarray:
        """The parts of the rows of :attr:`table`."""
        return split

    def targets(self) -> tuple[InferredTask, ...]:
        self.inferred, self.roles = judge_columns(self.config, self.table, self.where)
        self.table = with_renamed(self.table, self.inferred)
        return self.inferred

    def schema(self, tasks: Sequence[Task], split: np.ndarray) -> Schema:
        train, learned = self.judged(split) == 0, learned_for_encoder(self.config)
        schema = Schema.fit(
            self.table, tasks, where=self.where, train=train, decimal=self.decimal, units=self.units, **self.roles,
            **learned,
        )  # fmt: skip
        self.warnings += suspicions(self.table, schema)
        self.notes += notes_on(self.inferred, schema, self.table)
        return replace(schema, rows=int((split == 0).sum()))  # the table may be a sample
