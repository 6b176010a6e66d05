"""Inputs in a file are those in memory."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from polytask.data import RowGroups, Rows, Schema, SparseRows, StoredInput
from polytask.data.stored import load
from polytask.task import Task

ROWS = 103


@pytest.fixture(scope="module")
def table() -> pa.Table:
    random = np.random.default_rng(0)
    words = np.array(["", "red apple pie", "green pear", "no fruit at all"])
    return pa.table({
        "size": pa.array(random.normal(size=ROWS), mask=random.random(ROWS) < 0.2),
        "colour": words[random.integers(0, 3, ROWS)],
        "note": [f"{words[random.integers(1, 4)]} number {number}" for number in range(ROWS)],
        "sold": random.integers(0, 2, ROWS),
    })  # fmt: skip


@pytest.fixture(scope="module")
def schema(table: pa.Table) -> Schema:
    return Schema.fit(table, [Task("sold", kind="binary")], column_kinds={"colour": "categorical", "note": "text"})


@pytest.fixture
def groups(table: pa.Table, schema: Schema, tmp_path: Path) -> RowGroups:
    path = tmp_path / "table.parquet"
    pa.parquet.write_table(table, path, row_group_size=20)
    return RowGroups(path, schema.feature_names, schema.encode_inputs)


def dense(leaf: torch.Tensor | SparseRows) -> torch.Tensor:
    return leaf.dense() if isinstance(leaf, SparseRows) else leaf


def test_any_rows_in_any_order(table: pa.Table, schema: Schema, groups: RowGroups) -> None:
    expected = schema.encode_inputs(table)
    assert set(expected) == set(schema.input_names) == {"numeric", "categorical", "text"}
    for name, values in expected.items():
        stored = StoredInput(groups, name)
        rows = torch.randperm(ROWS, generator=torch.Generator().manual_seed(1))[:50]
        for ids in (rows, slice(7, 95, 3), torch.tensor([3]), torch.tensor([99, 0, 0])):
            torch.testing.assert_close(dense(stored[ids]), dense(values[ids]))
        some = torch.arange(2, ROWS, 7)
        part = stored.only(some).only(torch.tensor([1, 3, 8]))
        torch.testing.assert_close(dense(part[torch.tensor([2, 0])]), dense(values[some[torch.tensor([8, 1])]]))


def test_groups_are_held_while_they_are_expected(groups: RowGroups) -> None:
    groups.expect([1, 2])
    for number in range(6):
        groups.group(number)
    assert set(groups._held) == {1, 2, 5}
    groups.expect([2, 3])
    assert set(groups._held) == {2}


def test_a_group_is_read_once(groups: RowGroups) -> None:
    read, encode = [], groups.encode

    def noted(part: pa.Table):
        read.append(len(part))
        return encode(part)

    groups.encode = noted
    groups.expect([1, 2])
    groups.expect([2, 1])
    groups.take("numeric", torch.tensor([25, 45, 26]))
    assert read == [20, 20]


def test_rows_are_read_ahead_as_they_would_be(groups: RowGroups, table: pa.Table, schema: Schema) -> None:
    groups.expect([5])
    torch.testing.assert_close(
        groups.take("numeric", torch.tensor([102, 100])), schema.encode_inputs(table)["numeric"][[102, 100]]
    )


def test_boundaries_count_the_chosen_rows(groups: RowGroups) -> None:
    stored = StoredInput(groups, "numeric")
    assert stored.boundaries().tolist() == [0, 20, 40, 60, 80, 100, 103]
    part = stored.only(torch.tensor([0, 19, 20, 59, 101]))
    assert part.boundaries().tolist() == [0, 2, 3, 4, 4, 4, 5]
    assert part.boundaries(torch.tensor([1, 3, 4])).tolist() == [0, 1, 1, 2, 2, 2, 3]


def test_load_takes_several_parts_in_one_pass(groups: RowGroups, table: pa.Table, schema: Schema) -> None:
    parts = [torch.tensor([1, 50, 51]), torch.arange(60, 103)]
    expected = schema.encode_inputs(table)
    for rows, found in zip(parts, load(groups, parts), strict=True):
        for name, values in expected.items():
            torch.testing.assert_close(dense(found[name]), dense(values[rows]))


def test_rows_keep_what_is_in_the_file_there(groups: RowGroups) -> None:
    rows = Rows({"numeric": StoredInput(groups, "numeric")}, torch.zeros(ROWS, 1), None)
    part = rows.subset(torch.arange(10, 90)).to("cpu")
    assert part.stored is not None and len(part.stored) == 80
    assert isinstance(part[torch.tensor([0])].inputs["numeric"], torch.Tensor)
    assert Rows(torch.zeros(2, 1), torch.zeros(2, 1), None).stored is None


def test_another_process_reads_by_itself(groups: RowGroups) -> None:
    groups.expect([0])
    again = pickle.loads(pickle.dumps(groups))
    torch.testing.assert_close(again.take("numeric", torch.tensor([30])), groups.take("numeric", torch.tensor([30])))
