"""Folders of arrays: what is written is what is read, and only whole folders are taken for ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from polytask import Task, UserError
from polytask.data.arrays import MANIFEST, ArrayWriter, is_arrays, read_arrays
from polytask.data.rows import rows_at_once

TASKS = [Task("cat"), Task("depth", kind="dense"), Task("kind", kind="multiclass", classes=("a", "b", "c"))]


def write(folder: Path, close: bool = True) -> None:
    writer = ArrayWriter(folder, TASKS, {"train": 2, "validation": 1, "test": 1}, (1, 2, 2), lengths={"depth": 4})
    depth = [[1.0, 2.0, 3.0, np.nan], [np.nan] * 4, [5.0] * 4, [6.0] * 4]
    for row in range(4):
        targets = {"cat": row % 2, "depth": np.reshape(depth[row], (2, 2))} | ({"kind": 2} if row != 1 else {})
        writer.put(row, np.full((1, 2, 2), row), targets)
    if close:
        writer.close()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    tasks, rows = read_arrays(tmp_path)
    assert tasks == TASKS
    assert {part: len(found) for part, found in rows.items()} == {"train": 2, "validation": 1, "test": 1}
    batch = rows["train"][torch.tensor([1, 0])]
    assert batch.inputs[:, 0, 0, 0].tolist() == [1, 0] and batch.inputs.dtype == torch.uint8
    assert batch.observed is not None and batch.observed.tolist() == [[True, False, False], [True, True, True]]
    assert batch.targets.tolist() == [[1, 0, 0], [0, 0, 2]]
    assert batch.wide[1][1, :3].tolist() == [1, 2, 3] and torch.isnan(batch.wide[1][1, 3])
    assert rows["test"].wide[1].tolist() == [[6.0] * 4]


def test_a_folder_is_whole_or_none(tmp_path: Path) -> None:
    write(tmp_path, close=False)
    assert not is_arrays(tmp_path)
    write(tmp_path)
    assert is_arrays(tmp_path)
    (tmp_path / MANIFEST).write_text('{"tasks": 3}')
    with pytest.raises(UserError, match="damaged folder of arrays"):
        read_arrays(tmp_path)


def test_large_rows_are_inferred_a_few_at_a_time() -> None:
    assert rows_at_once({"a": torch.zeros(5, 20), "b": torch.zeros(5, 3)}) == 1024
    assert rows_at_once(torch.zeros(5, 3, 512, 512)) == 5
    assert rows_at_once(torch.zeros(0, 7)) == 1024
