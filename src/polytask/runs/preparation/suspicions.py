"""What is odd about the columns of a table, before anything is trained on it."""

from __future__ import annotations

import pyarrow as pa

from ...data import Schema, find_leaks
from ...data.id_features import find_id_features
from ...data.relations import find_relations


def suspicions(table: pa.Table, schema: Schema) -> list[str]:
    """Lines on features that give a target away, targets that follow from other columns, and ids among the features.

    Args:
        table: The table, or a sample of its rows.
        schema: Its features and tasks.
    """
    return [*find_leaks(table, schema), *find_relations(table, schema), *find_id_features(table, schema)]
