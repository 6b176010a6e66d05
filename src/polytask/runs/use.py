"""A finished run at work: predictions and metrics for other tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from ..data import Rows, read_table, require_rows, with_columns_of_other_sources
from ..errors import UserError
from .bundle import Bundle, write_predictions
from .display import Display
from .results import number


def predict_table(run: Path, data: Path, out: Path, display: Display) -> int:
    """Write predictions for the rows of a table and give their number.

    Raises:
        UserError: If run or table are not usable; nothing is written then.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise UserError(f"--out {out}: expected a name that ends in .parquet or .csv")
    bundle = Bundle.load(run)
    table = _table(bundle, data, display)
    write_predictions(out, bundle.predict(table, where=data.name))
    return table.num_rows


def evaluate_table(run: Path, data: Path, display: Display) -> dict[str, Any]:
    """Metric, value and number of labels for every target that the table has.

    Raises:
        UserError: If run or table are not usable, or the table has none of the targets.
    """
    bundle = Bundle.load(run)
    table = _table(bundle, data, display)
    names = [task.name for task in bundle.schema.tasks if task.name in table.column_names]
    if not names:
        targets = ", ".join(task.name for task in bundle.schema.tasks)
        raise UserError(f"{data}: none of the targets is a column; expected at least one of {targets}")
    inputs = bundle.schema.encode_inputs(table, where=data.name)
    rows = Rows.from_matrix(inputs, bundle.schema.encode_targets(table, where=data.name, partial=True))
    values = bundle.evaluate(rows, names)
    counts = dict(zip((task.name for task in bundle.schema.tasks), rows.label_counts().tolist(), strict=True))
    return {
        task.name: {
            "metric": task.metric,
            "direction": task.metric_definition.direction,
            "value": number(values[task.name]),
            "labels": counts[task.name],
        }
        for task in bundle.schema.tasks
        if task.name in names
    }


def _table(bundle: Bundle, data: Path, display: Display) -> pa.Table:
    table = read_table(data, text=bundle.schema.word_columns)
    require_rows(table, data)
    unused = bundle.schema.unused_columns(table)
    if unused:
        display.warn(f"{data.name}: not in the training table, no effect: {', '.join(unused)}")
    return with_columns_of_other_sources(table, bundle.schema.feature_names, bundle.schema.word_columns, bundle.sources)
