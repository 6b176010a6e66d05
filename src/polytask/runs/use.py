"""A finished run at work: predictions and metrics for other tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor

from ..config import make_config
from ..config.file import read_config
from ..data import (
    Rows,
    column_names,
    read_cells,
    require_rows,
    table_pieces,
    with_columns_of_other_sources,
)
from ..data.formats import file_of
from ..data.table import is_small
from ..display.display import Display
from ..display.text import some_names
from ..errors import UserError
from ..records.layout import Layout
from ..records.values import number
from ..task import Task
from ..training.evaluation import task_estimate
from .bundle import Bundle, check_writes, write_predictions
from .further_metrics import further_metrics
from .preparation.labelled import labelled
from .preparation.reading import far_values, invalid_molecules, unseen_values
from .preparation.splitting import groups_in
from .results import bounds

#: Rows of a Parquet file, and bytes of any other, up to which it is read at once.
SMALL_ROWS, SMALL_BYTES = 1 << 16, 1 << 24
#: Texts that are predicted at a time.
TEXTS = 4096


def predict_table(
    run: Path, data: Path, out: Path, display: Display, *, trust: bool = False, interval: float | None = None
) -> int:
    """Write predictions for the rows of a table and give their number.

    Args:
        run: Folder of the run.
        data: The table.
        out: File to write.
        display: Where notes are shown.
        trust: See :meth:`Bundle.load`.
        interval: See :meth:`Bundle.predict`.

    Raises:
        UserError: If run or table are not usable; nothing is written then.
    """
    check_writes(out)
    if out.exists():
        _check_is_no_table(out, run, data)
    bundle = bundle_of_a_table(run, trust)
    pieces = _noted(_pieces(bundle, data, display), bundle, data, display)
    if bundle.encoded is not None and bundle.encoded.checkpoint.reads == "text":
        pieces = (part for piece in pieces for part in _of_texts(bundle, piece, data))
    return write_predictions(out, _predicted(bundle, pieces, data, interval))


def _check_is_no_table(out: Path, run: Path, data: Path) -> None:
    """That a file is not the table that is read, nor one that the run was made of, nor in one that is a folder."""
    config = Layout(run).config
    made_of = make_config(read_config(config), str(config)).tables if config.exists() else ()
    for table, called in ((data, "the input table"), *((Path(path), "a table of the run") for path in made_of)):
        file = file_of(table)
        if file.exists() and any(file.samefile(path) for path in (out, *out.resolve().parents)):
            raise UserError(f"--out {out}: is {called}, which would be lost; choose another name")


def _predicted(bundle: Bundle, pieces: Iterable[pa.Table], data: Path, interval: float | None) -> Iterator[pa.Table]:
    """Predictions of every piece; messages name the row that rows are counted from."""
    start = 0
    for piece in pieces:
        where = data.name if start == 0 else f"{data.name}, rows counted from {start + 1:,}"
        yield bundle.predict(piece, folder=data.parent, where=where, interval=interval)
        start += piece.num_rows


def evaluate_table(run: Path, data: Path, display: Display, *, trust: bool = False) -> dict[str, Any]:
    """Metric, value and number of labels for every target that the table has; ``trust``: see :meth:`Bundle.load`.

    Raises:
        UserError: If run or table are not usable, or the table has none of the targets.
    """
    bundle = bundle_of_a_table(run, trust)
    _check_first_rows(bundle, data)
    return evaluate_rows(bundle, table_of(bundle, data, display), folder=data.parent, where=data.name)


def evaluate_rows(bundle: Bundle, table: pa.Table, *, folder: Path | None = None, where: str) -> dict[str, Any]:
    """The same for a table in memory; see :func:`labelled_rows`."""
    rows, names = labelled_rows(bundle, table, folder=folder, where=where)
    return {found[0].name: _entry(*found) for found in bundle.on_labelled(rows, names)}


def _entry(task: Task, outputs: Tensor, targets: Tensor, units: Tensor) -> dict[str, Any]:
    found = task_estimate(task, outputs, targets, units)
    return {
        "metric": task.metric,
        "direction": task.metric_definition.direction,
        "value": number(found.value),
        "interval": bounds(found, direction=task.metric_definition.direction),
        "labels": len(targets),
        **further_metrics(task, outputs, targets, units),
    }


def labelled_rows(bundle: Bundle, table: pa.Table, *, folder: Path | None = None, where: str) -> tuple[Rows, list[str]]:
    """The rows of a table with the labels of all tasks, and the names of the tasks that the table has.

    Args:
        bundle: A run's networks.
        table: Its columns as they were read; those that the run does not know have no effect.
        folder: See :meth:`Bundle.inputs`.
        where: Name of the table in messages.

    Raises:
        UserError: If the table has none of the targets, lacks columns, or does not hold what they did.
    """
    names = [task.name for task in bundle.schema.tasks if task.name in table.column_names]
    if not names:
        targets = ", ".join(task.name for task in bundle.schema.tasks)
        raise UserError(f"{where}: none of the targets is a column; expected at least one of {targets}")
    inputs = bundle.inputs(table, folder=folder, where=where)
    rows = labelled(inputs, table, bundle.schema, where=where)
    return replace(rows, groups=groups_in(table, bundle.together)), names


def bundle_of_a_table(run: Path, trust: bool = False) -> Bundle:
    """The bundle of a run that knows the columns of a table; ``trust``: see :meth:`Bundle.load`.

    Raises:
        UserError: If it learned from a folder of arrays, and see :meth:`Bundle.load`.
    """
    bundle = Bundle.load(run, trust=trust)
    if not bundle.schema.feature_names:
        raise UserError(
            f"{run}: this run learned from a folder of arrays, so it has no table columns; "
            "use polytask.runs.bundle.Bundle in Python, which takes tensors"
        )
    return bundle


def _pieces(bundle: Bundle, data: Path, display: Display) -> Iterator[pa.Table]:
    """A large table some rows at a time, a small one at once (then messages can tell rows and kinds)."""
    if is_small(data, SMALL_ROWS, SMALL_BYTES):
        yield table_of(bundle, data, display)
        return
    columns = _columns(bundle, data, display)
    for position, piece in enumerate(table_pieces(data, columns=columns)):
        if position == 0:
            require_rows(piece, data)
        yield _completed(bundle, piece)


def _check_first_rows(bundle: Bundle, data: Path) -> None:
    """That a large table has the columns, before all of it is read."""
    if is_small(data, SMALL_ROWS, SMALL_BYTES):
        return
    for piece in table_pieces(data, columns=_columns(bundle, data, Display())):
        bundle.inputs(_completed(bundle, piece.slice(0, 1)), folder=data.parent, where=data.name)
        return


def _of_texts(bundle: Bundle, piece: pa.Table, data: Path) -> Iterator[pa.Table]:
    """Fewer rows at a time: vectors of words are large."""
    if bundle.schema.id_column in piece.column_names:
        bundle.schema.ids(piece, where=data.name)  # of all these rows
    yield from (piece.slice(start, TEXTS) for start in range(0, piece.num_rows, TEXTS))


def table_of(bundle: Bundle, data: Path, display: Display) -> pa.Table:
    """The columns of a file that a run knows.

    Raises:
        UserError: If it cannot be read or has no rows.
    """
    table, notes = read_cells(data, _columns(bundle, data, display))
    for note in notes:
        display.say(f"{data.name}: {note}")
    require_rows(table, data)
    return _completed(bundle, table)


def _columns(bundle: Bundle, data: Path, display: Display) -> list[str]:
    """The columns of the file that the run knows and uses: others are not read."""
    schema, names = bundle.schema, column_names(data)
    if unused := schema.unused_columns(names):
        display.warn(f"{data.name}: not read by this run: {some_names(unused)}")
    known = {*schema.feature_names, schema.id_column, *(task.name for task in schema.tasks), *bundle.together.values()}
    return [name for name in names if name in known]


def _noted(pieces: Iterator[pa.Table], bundle: Bundle, data: Path, display: Display) -> Iterator[pa.Table]:
    """The same, with notes on molecules that cannot be read, and on odd cells of the first piece."""
    before = 0
    for piece in pieces:
        yield piece
        notes = invalid_molecules(bundle.schema, piece, before)
        if not before:
            notes += [*far_values(bundle.schema, piece), *unseen_values(bundle.schema, piece)]
        for note in notes:
            display.warn(f"{data.name}: {note}")
        before += piece.num_rows


def _completed(bundle: Bundle, table: pa.Table) -> pa.Table:
    return with_columns_of_other_sources(table, bundle.schema.feature_names, bundle.schema.word_columns, bundle.sources)
