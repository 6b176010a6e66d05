"""The tasks of a table without the reasons."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from polytask.data import infer_targets
from polytask.task import Task


def infer_tasks(table: pa.Table, **options: Any) -> tuple[Task, ...]:
    """As :func:`polytask.data.infer_targets`."""
    return tuple(found.task for found in infer_targets(table, **options))
