"""Features that are named like ids: networks memorise rows or customers, and cannot predict new ones."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from .row_names import named_like_id
from .schema import Schema

#: With fewer different values it may be a code with a meaning.
FEWEST = 20


def find_id_features(table: pa.Table, schema: Schema) -> list[str]:
    """One line for every feature that is named like an id and has many values.

    Columns in which nearly every row has a value of its own are left out by themselves unless they are asked for.

    Args:
        table: The table that ``schema`` was fitted to.
        schema: Its features.

    Example:
        >>> from polytask.task import Task
        >>> table = pa.table({"customer_id": [n % 25 for n in range(100)], "sold": [0, 1] * 50})
        >>> find_id_features(table, Schema.fit(table, [Task("sold")]))
        ["column 'customer_id' is a feature and named like an id (25 different values in 100 rows)"]
    """
    counts = {name: pc.count_distinct(table[name]).as_py() for name in schema.feature_names if named_like_id(name)}
    return [
        f"column {name!r} is a feature and named like an id ({count:,} different values in {table.num_rows:,} rows)"
        for name, count in counts.items()
        if count >= FEWEST
    ]
