"""Gradient-boosted trees on tables that have no label of a target in some part."""

from __future__ import annotations

from pathlib import Path

import pytest

from polytask.comparison.trees import fit_trees
from polytask.config import make_config
from small_table import table_rows, write_table


@pytest.mark.parametrize("empty", ["validation", "test"])
def test_what_cannot_be_measured_is_null(empty: str, tmp_path: Path) -> None:
    rows = [row | {"part": ("train", "train", "validation", "test")[number % 4]}
            for number, row in enumerate(table_rows(80))]  # fmt: skip
    for row in rows:
        row["price"] = "" if row["part"] == empty else row["price"]
    table = write_table(tmp_path / "table.csv", rows)
    keys = {"targets": ["size", "price"], "split": "part", "ignore": ["rank", "click", "note"]}
    config = make_config({"data": str(table), **keys})
    tasks = fit_trees(config, {"max_iter": 5}, "test")["tasks"]
    found = {part for part in ("validation", "test") if tasks["price"][part] is None}
    assert found == {empty} and None not in (tasks["size"]["validation"], tasks["size"]["test"])
