"""Rows with equal features are found, in whatever file they are."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from hypothesis import given
from hypothesis import strategies as st

from polytask.data import Schema, read_table
from polytask.data.equal_rows import equal_rows, parts_of_known, row_keys
from polytask.task import Task

WORDS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.sampled_from(["a b c", "d e f"])), min_size=2)


@given(rows=WORDS)
def test_keys_are_equal_exactly_where_features_are(rows: list[tuple[int, str, str]]) -> None:
    first = [(9, "z", "y y y y"), (8, "x", "w w w w")]  # no column is constant
    numbers, words, texts = zip(*first, *rows, strict=True)
    table = pa.table({"x": numbers, "w": words, "t": texts, "y": [i % 2 for i in range(len(numbers))]})
    kinds = {"x": "numeric", "w": "categorical", "t": "text"}
    keys = row_keys(table, Schema.fit(table, [Task("y")], column_kinds=kinds))
    every = list(zip(numbers, words, texts, strict=True))
    assert ((keys[:, None] == keys) == np.array([[a == b for b in every] for a in every])).all()


def test_keys_survive_another_format_and_order(tmp_path: Path) -> None:
    table = pa.table({"x": [1.5, 2.0, None, 4.0], "w": ["a", "b", "a", "b"], "y": [0, 1, 1, 0]})
    schema = Schema.fit(table, [Task("y")])
    pa.csv.write_csv(table.take([3, 1, 0, 2]), tmp_path / "t.csv")
    assert row_keys(read_table(tmp_path / "t.csv"), schema).tolist() == row_keys(table, schema)[[3, 1, 0, 2]].tolist()


def test_equal_rows_are_counted_by_part() -> None:
    keys = np.array([1, 2, 3, 1, 2, 2, 9], np.uint64)
    notes = equal_rows(keys, np.array([0, 0, 0, 1, 2, 2, 2]))
    assert [note.split(" rows")[0] for note in notes] == ["1 of 1 validation", "2 of 3 test"]
    assert equal_rows(keys, np.array([0, 0, 0, 0, 0, 0, 1])) == []
    assert all("--group" in note for note in notes)  # cannot be had beside a split by time, by a column, or by files
    assert not any("--group" in note for note in equal_rows(keys, np.array([0, 0, 0, 1, 2, 2, 2]), drawn=False))


@given(known=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=30), keys=st.lists(st.integers(0, 9)))
def test_known_rows_keep_the_first_of_their_parts(known: list[tuple[int, int]], keys: list[int]) -> None:
    names, codes = (np.array(values, int) for values in (zip(*known, strict=True) if known else ([], [])))
    found = parts_of_known(np.array(keys, int), names, codes)
    assert found.tolist() == [min((code for name, code in known if name == key), default=-1) for key in keys]
