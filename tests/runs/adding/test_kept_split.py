"""Rows that the earlier run has seen keep the split of that run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adding import Earlier
from polytask.config import make_config
from polytask.data import load_split
from polytask.errors import UserError
from polytask.runs.adding.base import Base
from polytask.runs.preparation.prepare import prepare
from small_table import table_rows, write_table

COLUMNS = ("a", "b", "c", "colour", "note", "click", "size", "price", "rank")


def split_of(base: Path, table: Path, **keys: object) -> tuple[np.ndarray, list[str]]:
    config = make_config({"data": str(table), "targets": ["rank"], "from": str(base), **keys})
    data = prepare(config, base=Base.load(base))
    return data.split, [*data.notes, *data.warnings]


def mixed(folder: Path, columns: tuple[str, ...], new: int = 60) -> tuple[Path, np.ndarray]:
    """The earlier rows in another order with new ones between them, and their old positions (-1 for new ones)."""
    rows = [*table_rows(240), *({**row, "key": f"new{row['key']}"} for row in table_rows(new, seed=9))]
    order = np.random.default_rng(0).permutation(len(rows))
    return write_table(folder / "mixed.csv", [rows[i] for i in order], columns), np.where(order < 240, order, -1)


@pytest.mark.parametrize("columns", [COLUMNS, ("key", *COLUMNS)], ids=["by their features", "by their ids"])
def test_known_rows_keep_their_part_and_new_ones_are_drawn(
    earlier: Earlier, tmp_path: Path, columns: tuple[str, ...]
) -> None:
    table, position = mixed(tmp_path, columns)
    split, notes = split_of(earlier.one, table)
    old, seen = load_split(earlier.one / "split.parquet")[0], position >= 0
    assert (split[seen] == old[position[seen]]).all()
    assert np.bincount(split[~seen], minlength=3).tolist() == [42, 9, 9]
    assert "240 of 300 rows are those of one and keep the split of that run" in notes


def test_a_new_row_follows_its_group(earlier: Earlier, tmp_path: Path) -> None:
    rows = [row | {"pair": number // 2} for number, row in enumerate(table_rows(240))]
    rows += [row | {"pair": number, "key": f"new{number}"} for number, row in enumerate(table_rows(60, seed=9))]
    table = write_table(tmp_path / "pairs.csv", rows, (*COLUMNS, "pair"))
    split, _ = split_of(earlier.one, table, group="pair")
    old = load_split(earlier.one / "split.parquet")[0]
    assert (split[240:] == np.minimum(old[0:120:2], old[1:120:2])).all()


def test_new_rows_and_time_do_not_combine(earlier: Earlier, tmp_path: Path) -> None:
    table, _ = mixed(tmp_path, COLUMNS)
    with pytest.raises(UserError, match=r"time: 240 rows are those of .* 60 new rows cannot be split by time"):
        split_of(earlier.one, table, time="price")
