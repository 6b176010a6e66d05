"""A small study for all tests of comparisons: one table, few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from small_table import table_rows, write_table

TARGETS = ("click", "price")


def study(folder: Path, **keys: Any) -> Path:
    """A YAML file: equal, static and a method of dwa; two seeds, two trials."""
    write_table(folder / "table.csv", table_rows(160))
    content: dict[str, Any] = {
        "base": {"data": "table.csv", "targets": list(TARGETS), "id": "key", "ignore": ["size", "rank", "note"],
                 "steps": 8, "batch_size": 32, "model": {"hidden": [8]}, "evaluate_every": 4},
        "methods": {"dwa": {"balance": "dwa"}},
        "seeds": 2,
        "trials": 2,
        "baselines": {"trees": False, "single_task": False},
    }  # fmt: skip
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content | keys), encoding="utf-8")
    return path
