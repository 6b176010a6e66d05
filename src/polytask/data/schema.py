"""The stored transformation from a table to tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from ..display.text import some_names
from ..errors import UserError, did_you_mean, raise_all
from ..task import Task
from .as_trained import as_numbers, without_missing
from .columns import coded, is_text, strange_cells
from .dates import date_parts, moments
from .features import (
    CategoricalColumn,
    DroppedColumn,
    EncodedColumn,
    FeatureColumn,
    MoleculeColumn,
    NumericColumn,
    TemporalColumn,
    TextColumn,
    encode_categories,
    encode_numbers,
    feature_numbers,
    fit_column,
    molecule_parts,
)
from .infer import relabelled
from .items import Items
from .marks import MARKS, without_marks
from .molecule_graphs import GRAPHS, molecule_graphs
from .molecules import RADIUS, WIDTH, check_molecules, morgan_counts
from .problems import collected
from .roles import check_columns, check_ids, feature_names
from .sparse import SparseRows
from .targets import encode_targets, standardise_tasks
from .text import TextSettings, encode_texts, side_by_side, spread


@dataclass(frozen=True)
class Schema:
    """What the columns of a table are, with the statistics of the training rows. Made by :meth:`fit`.

    Attributes:
        tasks: The tasks; regression tasks carry mean and standard deviation of their training labels.
        numeric: Columns of numbers.
        temporal: Columns of dates and times, each with the numbers that are made of it.
        categorical: Columns of categories; they share one embedding table.
        text: Columns of free text; they share one hashed space, each with separate positions.
        molecules: Columns of molecules, each with the numbers that are made of it; their Morgan counts have positions
            behind those of text.
        encoded: Columns of text or images that a pretrained encoder reads, see :mod:`polytask.pretrained`.
        dropped: Columns that say nothing.
        ignored: Columns that the user wants ignored.
        id_column: Column of row ids, or None.
        split_column: Column with the split, or None.
        text_settings: How text is hashed.
        missing: Words that mean "no value"; None in schemas of before they were stored (then only the empty cell).
        decimal: The sign before decimals in columns of text that allow both: a comma, or empty for the point.
        units: Currency and unit of columns of numbers that had any.
        renamed: By target, labels that are read as another one, or (empty) as no label.
        rows: Number of training rows; 0 in schemas of before it was stored.

    Example:
        >>> table = pa.table({"size": [1.0, None, 2.0], "colour": ["red", "blue", ""], "sold": [0, 1, 1]})
        >>> schema = Schema.fit(table, [Task("sold")])
        >>> inputs = schema.encode_inputs(table)
        >>> inputs["numeric"].shape, inputs["categorical"].flatten().tolist(), schema.categories
        (torch.Size([3, 2]), [2, 1, 0], 3)
    """

    tasks: tuple[Task, ...]
    numeric: tuple[NumericColumn, ...] = ()
    temporal: tuple[TemporalColumn, ...] = ()
    categorical: tuple[CategoricalColumn, ...] = ()
    text: tuple[TextColumn, ...] = ()
    molecules: tuple[MoleculeColumn, ...] = ()
    encoded: tuple[EncodedColumn, ...] = ()
    dropped: tuple[DroppedColumn, ...] = ()
    ignored: tuple[str, ...] = ()
    id_column: str | None = None
    split_column: str | None = None
    text_settings: TextSettings = field(default_factory=TextSettings)
    missing: tuple[str, ...] | None = None
    decimal: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rows: int = 0

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
        graphs: bool = False,
        missing: Sequence[str] = MARKS,
        decimal: str = "",
        units: Mapping[str, str] | None = None,
        renamed: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Schema:
        """Learn the transformation.

        Args:
            table: All rows; statistics are taken from those of ``train`` alone.
            tasks: As :func:`~polytask.data.infer.infer_targets` finds them.
            where: Name of the table in messages.
            features: Names of feature columns; by default every column that is nothing else.
            ignore: Columns not to be used.
            id_column: Column of row ids: no feature, and returned by :meth:`ids`.
            split_column: Column with the split: no feature.
            train: ``[n]`` bool, the training rows; by default all.
            column_kinds: By column its kind where the user overrides it, see :data:`~polytask.data.roles.KINDS`.
            text_settings: How text is hashed.
            encoded: Kind of columns that a pretrained encoder reads, ``text`` or ``image``, if there is one.
            bins: Also find the edges of this many bins for every column of numbers; 0 for none.
            graphs: Also give the graphs of molecules.
            missing: Words that mean "no value".
            decimal: See :class:`Schema`, as ``units``.
            renamed: By target, labels that are read as another one, or (empty) as no label.

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
        names = feature_names(table.column_names, targets, features, ignore, id_column, split_column)
        rows = np.ones(table.num_rows, bool) if train is None else np.asarray(train, bool)
        columns: list[FeatureColumn] = []
        for name in names:
            with collected(problems):
                kind = (column_kinds or {}).get(name, "")
                cells = without_marks(table[name], missing)
                asked = features is not None
                found = fit_column(cells, name, rows, kind, where=where, encoded=encoded, bins=bins, asked=asked)
                columns.append(replace(found, graph=graphs) if isinstance(found, MoleculeColumn) else found)
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
            missing=tuple(missing),
            decimal=decimal,
            units=dict(units or {}),
            renamed=dict(renamed or {}),
            rows=int(rows.sum()),
        )
        if not schema.feature_names:
            reasons = "; ".join(f"{column.name!r}: {column.reason}" for column in schema.dropped)
            raise UserError(f"{where}: no usable feature column ({reasons})")
        return schema

    @property
    def feature_names(self) -> list[str]:
        """Columns that the inputs are made of."""
        columns: tuple[FeatureColumn, ...] = (
            *self.numeric, *self.temporal, *self.categorical, *self.text, *self.molecules, *self.encoded
        )  # fmt: skip
        return [column.name for column in columns]

    @property
    def numbers(self) -> tuple[NumericColumn, ...]:
        """What the ``numeric`` input holds before its indicators: columns of numbers, then the parts of dates, then
        those of molecules."""
        of_several: tuple[TemporalColumn | MoleculeColumn, ...] = (*self.temporal, *self.molecules)
        parts = (replace(part, name=f"{column.name}: {part.name}") for column in of_several for part in column.parts)
        return (*self.numeric, *parts)

    @property
    def word_columns(self) -> list[str]:
        """Features to read as words (``read_table(path, text=...)``), even if all of a file's look like numbers."""
        return [column.name for column in self.categorical if not column.from_numbers] + self.texts

    @property
    def texts(self) -> list[str]:
        """Columns of free text or molecules, or that a pretrained encoder reads."""
        columns: tuple[FeatureColumn, ...] = (*self.text, *self.molecules, *self.encoded)
        return [column.name for column in columns]

    @property
    def numeric_width(self) -> int:
        """Columns of the ``numeric`` input: one per number, one per indicator of missing values."""
        return len(self.numbers) + sum(column.indicator for column in self.numbers)

    @property
    def categories(self) -> int:
        """Rows of the embedding table that all categorical columns share."""
        return sum(column.size for column in self.categorical)

    @property
    def categorical_columns(self) -> list[str]:
        """Names of the columns of the ``categorical`` input."""
        return [column.name for column in self.categorical]

    @property
    def graphs(self) -> tuple[MoleculeColumn, ...]:
        """Columns of the ``graphs`` input."""
        return tuple(column for column in self.molecules if column.graph)

    @property
    def text_width(self) -> int:
        """Columns of the ``text`` input."""
        return len(self.text) * self.text_settings.width + len(self.molecules) * WIDTH

    @property
    def input_names(self) -> list[str]:
        """Keys of :meth:`encode_inputs`."""
        kinds = {"numeric": self.numbers, "categorical": self.categorical, "text": (*self.text, *self.molecules)}
        return [name for name, columns in kinds.items() if columns] + [GRAPHS] * bool(self.graphs)

    def encode_inputs(self, table: pa.Table, *, where: str = "table") -> dict[str, Tensor | SparseRows | Items]:
        """The inputs of all rows, with the keys that exist.

        Returns:
            ``numeric``: ``[n, numeric_width]`` float32; ``categorical``: ``[n, columns]`` int32 rows of the shared
            embedding table (the column's offset, plus 0 where missing or unseen); ``text``: ``[n, text_width]`` sparse;
            ``graphs``: ``[n]`` molecules, see :func:`~polytask.data.molecule_graphs.graph_batch`.

        Raises:
            UserError: If columns are missing, or hold words where numbers were; all at once.
        """
        known = set(table.column_names)
        missing = [name for name in self.feature_names if name not in known]
        raise_all(
            [f"{where}: column {name!r} is missing; {did_you_mean(name, table.column_names)}" for name in missing]
        )
        files = {column.name for column in self.encoded}  # of images the bytes may be given
        cells = [name for name in self.feature_names if name not in files]
        raise_all(strange_cells({f"{where}: column {name!r}": table[name] for name in cells}))
        table = self.read(table, where=where)
        inputs: dict[str, Tensor | SparseRows | Items] = {}
        if self.numbers:
            inputs["numeric"] = torch.from_numpy(encode_numbers(self.values(table, where=where), self.numbers))
        if self.categorical:
            inputs["categorical"] = torch.from_numpy(self._categories(table))
        if self.text or self.molecules:
            inputs["text"] = self.sparse(table)
        if self.graphs:
            inputs[GRAPHS] = molecule_graphs([coded(table[column.name]) for column in self.graphs])
        return inputs

    def sparse(self, table: pa.Table) -> SparseRows:
        """``[n, text_width]``: hashed texts, then Morgan counts of molecules."""
        texts = [coded(table[column.name]) for column in self.text]
        parts = [encode_texts(texts, self.text_settings)] if texts else []
        return side_by_side(parts + [spread(coded(table[column.name]), morgan_counts) for column in self.molecules])

    def read(self, table: pa.Table, *, where: str = "table") -> pa.Table:
        """The table with the columns that this schema knows read as those of the training table: without marks of
        missing values, numbers as numbers, and with its labels.

        Raises:
            UserError: If numbers have another unit; all at once.
        """
        words = self.missing if self.missing is not None else ()
        numbers = {column.name: column.decimal or self.decimal for column in self.numeric}
        numbers |= {task.name: self.decimal for task in self.tasks if task.definition.numeric}
        dates = {column.name for column in self.temporal}
        values = {column.name: column.categories for column in self.categorical}
        values |= {task.name: task.classes for task in self.tasks}
        known = {*self.feature_names, *(task.name for task in self.tasks)} - {self.id_column}
        problems: list[str] = []
        columns = []
        for name in table.column_names:
            column = table[name]
            if name in known:
                marks = MARKS if self.missing is None and (name in numbers or name in dates) else words
                column = without_missing(column, marks, values.get(name, ())) if marks else column
                column = relabelled(column, self.renamed.get(name, {}))
            if name in numbers:
                with collected(problems):
                    at = f"{where}: column {name!r}"
                    column = as_numbers(column, marks, numbers[name], self.units.get(name, ""), at)
            columns.append(column)
        raise_all(problems)
        return pa.table(columns, names=table.column_names) if columns else table

    def values(self, table: pa.Table, *, where: str = "table") -> list[np.ndarray]:
        """For every one of :attr:`numbers` ``[n]`` float64 in units of the table, NaN where missing.

        Raises:
            UserError: If a column holds words where numbers or dates were; all at once.
        """
        problems: list[str] = []
        values: list[np.ndarray] = []
        for column in self.numeric:
            with collected(problems):
                at = f"{where}: column {column.name!r}"
                values.append(feature_numbers(table[column.name], at, column.decimal))
        for dates in self.temporal:
            with collected(problems):
                seconds = moments(table[dates.name], dates.order, f"{where}: column {dates.name!r}")
                parts = date_parts(torch.from_numpy(seconds))
                values += [parts[part.name].numpy() for part in dates.parts]
        for molecules in self.molecules:
            with collected(problems):
                words = coded(table[molecules.name])
                check_molecules(words, f"{where}: column {molecules.name!r}")
                found = molecule_parts(words)
                values += [found[part.name] for part in molecules.parts]
        raise_all(problems)
        return values

    def _categories(self, table: pa.Table) -> np.ndarray:
        codes = np.empty((table.num_rows, len(self.categorical)), np.int32)
        offset = 0
        for j, column in enumerate(self.categorical):
            codes[:, j] = encode_categories(coded(table[column.name]), column) + offset
            offset += column.size
        return codes

    def encode_targets(self, table: pa.Table, *, where: str = "table", partial: bool = False) -> Tensor:
        """``[n, K]`` float32, NaN where there is no label; see :func:`encode_targets`."""
        return encode_targets(self.read(table, where=where), self.tasks, where=where, partial=partial)

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
        raise_all(strange_cells({at: column}))
        if is_text(column.type):
            column = pc.utf8_trim_whitespace(column)
        raise_all(check_ids(coded(column), at))
        return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)

    def unused_columns(self, names: Sequence[str]) -> list[str]:
        """Those of the columns ``names`` that the run does not read: they have no effect."""
        known = {*self.feature_names, *self.ignored, self.id_column, self.split_column}
        known |= {task.name for task in self.tasks} | {column.name for column in self.dropped}
        return [name for name in names if name not in known]

    def describe(self) -> list[str]:
        """Lines that say what becomes of the columns."""
        return [*self.describe_features(), *self.describe_left_out()]

    def describe_features(self) -> list[str]:
        """A line for the columns of each type that the networks read."""
        with_missing = [column.name for column in self.numeric if column.indicator]
        with_missing += [column.name for column in self.temporal if column.parts[0].indicator]
        text_note = f"hashed character n-grams, {self.text_settings.width} buckets each"
        groups = [
            ("numbers", [column.name for column in self.numeric], "standardised"),
            ("dates", [column.name for column in self.temporal], self._parts()),
            ("categories", self.categorical_columns, f"{self.categories - len(self.categorical)} values, embedded"),
            ("text", [column.name for column in self.text], text_note),
            ("molecules", [column.name for column in self.molecules], self._of_molecules()),
            ("with missing numbers", with_missing, "0 and an indicator"),
        ]
        return [f"{label} ({len(names)}; {note}): {', '.join(names)}" for label, names, note in groups if names]

    def describe_left_out(self) -> list[str]:
        """A line for each reason that columns are left out for."""
        asked = [f"ignored ({len(self.ignored)}; as asked): {', '.join(self.ignored)}"] if self.ignored else []
        reasons: dict[str, list[DroppedColumn]] = {}
        for column in self.dropped:
            reasons.setdefault(column.reason.replace(f".{column.name}=", ".COLUMN="), []).append(column)
        return asked + [
            f"dropped {columns[0].name!r}: {columns[0].reason}"
            if len(columns) == 1
            else f"dropped ({len(columns)}; {reason}): {some_names([column.name for column in columns])}"
            for reason, columns in reasons.items()
        ]

    def _parts(self) -> str:
        return ", ".join(dict.fromkeys(part.name for column in self.temporal for part in column.parts))

    def _of_molecules(self) -> str:
        parts = max((len(column.parts) for column in self.molecules), default=0)
        counts = f"Morgan counts of radius {RADIUS} in {WIDTH} bins, {parts} descriptors, by RDKit"
        return f"{counts}; graphs" if self.graphs else counts

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values; numbers survive exactly."""
        return {"version": 1, **{key: _plain(value) for key, value in vars(self).items()}}

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
            numeric=_numeric(stored["numeric"]),
            temporal=tuple(TemporalColumn(**c | {"parts": _numeric(c["parts"])}) for c in stored.get("temporal", ())),
            molecules=tuple(MoleculeColumn(**c | {"parts": _numeric(c["parts"])}) for c in stored.get("molecules", ())),
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
            missing=None if (marks := stored.get("missing")) is None else tuple(marks),
            decimal=stored.get("decimal", ""),
            units=dict(stored.get("units", {})),
            renamed=dict(stored.get("renamed", {})),
            rows=stored.get("rows", 0),
        )


def _plain(value: Any) -> Any:
    """Data classes as dictionaries, without the copies that ``asdict`` makes of every number."""
    if is_dataclass(value):
        return {key: _plain(found) for key, found in vars(value).items()}
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return [_plain(found) for found in value]
    return value


def _numeric(stored: Sequence[Mapping[str, Any]]) -> tuple[NumericColumn, ...]:
    return tuple(NumericColumn(**{**column, "edges": tuple(column.get("edges", ()))}) for column in stored)


def _by_kind(columns: Sequence[FeatureColumn]) -> dict[str, Any]:
    kinds = {
        "numeric": NumericColumn,
        "temporal": TemporalColumn,
        "categorical": CategoricalColumn,
        "text": TextColumn,
        "molecules": MoleculeColumn,
        "encoded": EncodedColumn,
        "dropped": DroppedColumn,
    }
    return {name: tuple(column for column in columns if isinstance(column, kind)) for name, kind in kinds.items()}
