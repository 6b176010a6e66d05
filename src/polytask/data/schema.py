"""The stored transformation from a table to tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..errors import UserError, did_you_mean, raise_all
from ..task import Task
from .columns import coded
from .features import (
    CategoricalColumn,
    DroppedColumn,
    EncodedColumn,
    FeatureColumn,
    NumericColumn,
    TextColumn,
    encode_categories,
    encode_numbers,
    feature_numbers,
    fit_column,
)
from .problems import collected
from .roles import check_columns, check_ids, feature_names
from .sparse import SparseRows
from .targets import encode_targets, standardise_tasks
from .text import TextSettings, encode_texts


@dataclass(frozen=True)
class Schema:
    """What the columns of a table are, with the statistics of the training rows. Made by :meth:`fit`.

    Attributes:
        tasks: The tasks; regression tasks carry mean and standard deviation of their training labels.
        numeric: Columns of numbers.
        categorical: Columns of categories; they share one embedding table.
        text: Columns of free text; they share one hashed space, each with places of its own.
        encoded: Columns of text or pictures that a pretrained encoder reads, see :mod:`polytask.pretrained`.
        dropped: Columns that say nothing.
        ignored: Columns that the user wants ignored.
        id_column: Column of row ids, or None.
        split_column: Column with the split, or None.
        text_settings: How text is hashed.

    Example:
        >>> table = pa.table({"size": [1.0, None, 2.0], "colour": ["red", "blue", ""], "sold": [0, 1, 1]})
        >>> schema = Schema.fit(table, [Task("sold")])
        >>> inputs = schema.encode_inputs(table)
        >>> inputs["numeric"].shape, inputs["categorical"].flatten().tolist(), schema.categories
        (torch.Size([3, 2]), [2, 1, 0], 3)
    """

    tasks: tuple[Task, ...]
    numeric: tuple[NumericColumn, ...] = ()
    categorical: tuple[CategoricalColumn, ...] = ()
    text: tuple[TextColumn, ...] = ()
    encoded: tuple[EncodedColumn, ...] = ()
    dropped: tuple[DroppedColumn, ...] = ()
    ignored: tuple[str, ...] = ()
    id_column: str | None = None
    split_column: str | None = None
    text_settings: TextSettings = field(default_factory=TextSettings)

    @classmethod
    def fit(
        cls,
        table: pa.Table,
        tasks: Sequence[Task],
        *,
        where: str = "table",
        features: Sequence[str] | None = None,
        ignore: Sequence[str] = (),
        id_column: str | None = None,
        split_column: str | None = None,
        train: np.ndarray | None = None,
        column_kinds: Mapping[str, str] | None = None,
        text_settings: TextSettings | None = None,
        encoded: str = "",
        bins: int = 0,
    ) -> Schema:
        """Learn the transformation.

        Args:
            table: All rows; statistics are taken from those of ``train`` alone.
            tasks: From :func:`infer_tasks`.
            where: Name of the table in messages.
            features: Names of feature columns; by default every column that is nothing else.
            ignore: Columns not to be used.
            id_column: Column of row ids: no feature, and returned by :meth:`ids`.
            split_column: Column with the split: no feature.
            train: ``[n]`` bool, the training rows; by default all.
            column_kinds: ``{column: "numeric" | "categorical" | "text" | "image"}`` where the user says otherwise.
            text_settings: How text is hashed.
            encoded: Kind of columns that a pretrained encoder reads, ``text`` or ``image``, if there is one.
            bins: Also find the edges of so many bins for every column of numbers; 0 for none.

        Raises:
            UserError: All problems of all columns at once.
        """
        targets = [task.name for task in tasks]
        problems = check_columns(
            table,
            where=where,
            targets=targets,
            features=features,
            ignore=ignore,
            id_column=id_column,
            split_column=split_column,
            column_kinds=column_kinds,
        )
        raise_all(problems)
        names = feature_names(table, targets, features, ignore, id_column, split_column)
        rows = np.ones(table.num_rows, bool) if train is None else np.asarray(train, bool)
        columns: list[FeatureColumn] = []
        for name in names:
            with collected(problems):
                kind = (column_kinds or {}).get(name, "")
                found = fit_column(table[name], name, rows, kind, where=where, encoded=encoded, bins=bins)
                columns.append(found)
        with collected(problems):
            tasks = standardise_tasks(table, tasks, rows, where)
        raise_all(problems)
        schema = cls(
            tasks=tuple(tasks),
            **_by_kind(columns),
            ignored=tuple(ignore),
            id_column=id_column,
            split_column=split_column,
            text_settings=text_settings or TextSettings(),
        )
        if not schema.feature_names:
            reasons = "; ".join(f"{column.name!r}: {column.reason}" for column in schema.dropped)
            raise UserError(f"{where}: no usable feature column ({reasons})")
        return schema

    @property
    def feature_names(self) -> list[str]:
        """Columns that the inputs are made of."""
        columns: tuple[FeatureColumn, ...] = (*self.numeric, *self.categorical, *self.text, *self.encoded)
        return [column.name for column in columns]

    @property
    def word_columns(self) -> list[str]:
        """Features to read as words (``read_table(path, text=...)``), even if all of a file's look like numbers."""
        words = [column.name for column in self.categorical if not column.from_numbers]
        return words + [column.name for column in self.text] + [column.name for column in self.encoded]

    @property
    def numeric_width(self) -> int:
        """Columns of the ``numeric`` input: one per column of numbers, one per indicator of missing values."""
        return len(self.numeric) + sum(column.indicator for column in self.numeric)

    @property
    def categories(self) -> int:
        """Rows of the embedding table that all categorical columns share."""
        return sum(column.size for column in self.categorical)

    @property
    def categorical_columns(self) -> list[str]:
        """Names of the columns of the ``categorical`` input."""
        return [column.name for column in self.categorical]

    @property
    def text_width(self) -> int:
        """Columns of the ``text`` input."""
        return len(self.text) * self.text_settings.width

    @property
    def input_names(self) -> list[str]:
        """Keys of :meth:`encode_inputs`."""
        kinds = {"numeric": self.numeric, "categorical": self.categorical, "text": self.text}
        return [name for name, columns in kinds.items() if columns]

    def encode_inputs(self, table: pa.Table, *, where: str = "table") -> dict[str, Tensor | SparseRows]:
        """The inputs of all rows, with the keys that exist.

        Returns:
            ``numeric``: ``[n, numeric_width]`` float32; ``categorical``: ``[n, columns]`` int32 rows of the shared
            embedding table (the column's offset, plus 0 where missing or unseen); ``text``: ``[n, text_width]`` sparse.

        Raises:
            UserError: If columns are missing, or hold words where numbers were; all at once.
        """
        known = table.column_names
        missing = [name for name in self.feature_names if name not in known]
        raise_all([f"{where}: column {name!r} is missing; {did_you_mean(name, known)}" for name in missing])
        inputs: dict[str, Tensor | SparseRows] = {}
        if self.numeric:
            inputs["numeric"] = torch.from_numpy(self._numbers(table, where))
        if self.categorical:
            inputs["categorical"] = torch.from_numpy(self._categories(table))
        if self.text:
            inputs["text"] = encode_texts([coded(table[column.name]) for column in self.text], self.text_settings)
        return inputs

    def _numbers(self, table: pa.Table, where: str) -> np.ndarray:
        problems: list[str] = []
        values: list[np.ndarray] = []
        for column in self.numeric:
            with collected(problems):
                values.append(feature_numbers(table[column.name], f"{where}: column {column.name!r}"))
        raise_all(problems)
        return encode_numbers(values, self.numeric)

    def _categories(self, table: pa.Table) -> np.ndarray:
        codes = np.empty((table.num_rows, len(self.categorical)), np.int32)
        offset = 0
        for j, column in enumerate(self.categorical):
            codes[:, j] = encode_categories(coded(table[column.name]), column) + offset
            offset += column.size
        return codes

    def encode_targets(self, table: pa.Table, *, where: str = "table", partial: bool = False) -> Tensor:
        """``[n, K]`` float32, NaN where there is no label; see :func:`encode_targets`."""
        return encode_targets(table, self.tasks, where=where, partial=partial)

    def ids(self, table: pa.Table, *, where: str = "table") -> pa.Array | None:
        """The row ids, or None if there is no such column in this schema.

        Raises:
            UserError: If the column is missing in ``table``, or ids are missing or repeat.
        """
        if self.id_column is None:
            return None
        at = f"{where}: row id {self.id_column!r}"
        if self.id_column not in table.column_names:
            raise UserError(f"{at}: the column is missing; {did_you_mean(self.id_column, table.column_names)}")
        column = table[self.id_column]
        raise_all(check_ids(coded(column), at))
        return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)

    def unused_columns(self, table: pa.Table) -> list[str]:
        """Columns of ``table`` that were not in the training table: they have no effect."""
        known = {*self.feature_names, *self.ignored, self.id_column, self.split_column}
        known |= {task.name for task in self.tasks} | {column.name for column in self.dropped}
        return [name for name in table.column_names if name not in known]

    def describe(self) -> list[str]:
        """Lines that say what becomes of the columns."""
        with_missing = [column.name for column in self.numeric if column.indicator]
        text_note = f"hashed character n-grams, {self.text_settings.width} places each"
        groups = [
            ("numbers", [column.name for column in self.numeric], "standardised"),
            ("categories", self.categorical_columns, f"{self.categories - len(self.categorical)} values, embedded"),
            ("text", [column.name for column in self.text], text_note),
            ("with missing numbers", with_missing, "0 and an indicator"),
            ("ignored", list(self.ignored), "as asked"),
        ]
        lines = [f"{label} ({len(names)}; {note}): {', '.join(names)}" for label, names, note in groups if names]
        return lines + [f"dropped {column.name!r}: {column.reason}" for column in self.dropped]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values; numbers survive exactly."""
        return {"version": 1, **asdict(self)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Schema:
        """The schema of which ``stored`` is :meth:`to_dict`.

        Raises:
            UserError: If it was stored by another version.
        """
        if stored.get("version") != 1:
            raise UserError(f"schema: stored version {stored.get('version')!r} is not known; expected 1")
        return cls(
            tasks=tuple(Task(**task) for task in stored["tasks"]),
            numeric=tuple(NumericColumn(**c | {"edges": tuple(c.get("edges", ()))}) for c in stored["numeric"]),
            categorical=tuple(
                CategoricalColumn(**c | {"categories": tuple(c["categories"])}) for c in stored["categorical"]
            ),
            text=tuple(TextColumn(**column) for column in stored["text"]),
            encoded=tuple(EncodedColumn(**column) for column in stored.get("encoded", ())),
            dropped=tuple(DroppedColumn(**column) for column in stored["dropped"]),
            ignored=tuple(stored["ignored"]),
            id_column=stored["id_column"],
            split_column=stored["split_column"],
            text_settings=TextSettings(**stored["text_settings"]),
        )


def _by_kind(columns: Sequence[FeatureColumn]) -> dict[str, Any]:
    kinds = {
        "numeric": NumericColumn,
        "categorical": CategoricalColumn,
        "text": TextColumn,
        "encoded": EncodedColumn,
        "dropped": DroppedColumn,
    }
    return {name: tuple(column for column in columns if isinstance(column, kind)) for name, kind in kinds.items()}
