"""The stored transformation from a table to tensors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from torch import Tensor

from inferred import infer_tasks
from polytask.data import Schema, SparseRows, TextSettings, features, read_table
from polytask.data.columns import coded
from polytask.data.roles import repeated_ids
from polytask.errors import UserError
from polytask.task import Task

NAN = float("nan")
N = 120


def example_table(seed: int = 0) -> pa.Table:
    """All kinds of columns, with missing cells."""
    generator = np.random.default_rng(seed)
    x = generator.normal(5, 3, N)
    return pa.table(
        {
            "key": [f"row{i}" for i in range(N)],
            "x": pa.array(x, mask=generator.random(N) < 0.2),
            "count": generator.integers(0, 50, N),
            "colour": generator.choice(["red", "green", "blue", ""], N),
            "note": [" ".join(generator.choice(["one", "two", "three", "four"], 9)) for _ in range(N)],
            "constant": [7] * N,
            "click": generator.integers(0, 2, N),
            "price": pa.array(x * 2 + 1, mask=generator.random(N) < 0.1),
        }
    )


def fit(table: pa.Table, **options: Any) -> Schema:
    tasks = infer_tasks(table, where="t.csv", targets=["click", "price"])
    return Schema.fit(table, tasks, where="t.csv", **{"id_column": "key", **options})


def assert_same(a: dict[str, Tensor | SparseRows], b: dict[str, Tensor | SparseRows]) -> None:
    assert a.keys() == b.keys()
    for key, left in a.items():
        right = b[key]
        if isinstance(left, SparseRows):
            assert isinstance(right, SparseRows) and left.width == right.width
            assert torch.equal(left.offsets, right.offsets) and torch.equal(left.indices, right.indices)
            assert torch.equal(left.values, right.values)
        else:
            assert torch.equal(left, right)


def test_shapes_and_names() -> None:
    table = example_table()
    schema = fit(table)
    inputs = schema.encode_inputs(table)
    assert inputs["numeric"].shape == (N, 3) == (N, schema.numeric_width)  # x, count, indicator of x
    assert inputs["numeric"].dtype == torch.float32
    assert inputs["categorical"].shape == (N, 1) and inputs["categorical"].dtype == torch.int32
    assert schema.categories == 4 and schema.categorical_columns == ["colour"]
    assert inputs["text"].width == schema.text_width == 4096 and len(inputs["text"]) == N
    assert [column.name for column in schema.dropped] == ["constant"]
    assert schema.encode_targets(table).shape == (N, 2)
    lines = schema.describe()
    assert any(line.startswith("numbers (2; standardised): x, count") for line in lines)
    assert "dropped 'constant': it has one value in the training rows" in lines


def test_numbers_are_standardised_and_missing_ones_are_zero_with_an_indicator() -> None:
    table = example_table()
    numeric = fit(table).encode_inputs(table)["numeric"].numpy()
    missing = table["x"].is_null().to_numpy()
    assert numeric[~missing, 0].mean() == pytest.approx(0, abs=1e-6)
    assert numeric[~missing, 0].std() == pytest.approx(1, abs=1e-6)
    assert (numeric[missing, 0] == 0).all()
    np.testing.assert_array_equal(numeric[:, 2], missing)
    assert numeric[:, 1].std() == pytest.approx(1, abs=1e-6)


def test_only_training_rows_are_learnt_from() -> None:
    table = example_table()
    train = np.arange(N) < 80
    other = example_table(1)
    columns = {
        name: pa.concat_arrays([table[name].combine_chunks()[:80], other[name].combine_chunks()[80:]])
        for name in table.column_names
    }
    columns["x"] = pa.array(np.where(train, columns["x"].to_numpy(zero_copy_only=False), 1e6))
    columns["colour"] = pa.array(np.where(train, columns["colour"].to_numpy(zero_copy_only=False), "violet"))
    changed = pa.table(columns)
    first, second = fit(table, train=train), fit(changed, train=train)
    assert first.to_dict() == second.to_dict()
    rows = table.slice(0, 80)
    assert_same(first.encode_inputs(rows), second.encode_inputs(changed.slice(0, 80)))
    assert torch.equal(first.encode_targets(rows).nan_to_num(), second.encode_targets(rows).nan_to_num())


def test_unseen_and_missing_categories_share_the_reserved_place() -> None:
    table = pa.table({"a": ["x", "y", "x", ""], "b": ["p", "q", "q", "q"], "y": [0, 1, 0, 1]})
    schema = Schema.fit(table, [Task("y")])
    assert schema.encode_inputs(table)["categorical"].tolist() == [[1, 5], [2, 4], [1, 4], [0, 4]]
    new = pa.table({"a": ["z", None], "b": ["z", "p"]})
    assert schema.encode_inputs(new)["categorical"].tolist() == [[0, 3], [0, 5]]
    assert schema.categories == 6


def test_number_seen_missing_only_when_predicting_is_zero() -> None:
    schema = Schema.fit(pa.table({"x": [1.0, 3.0], "y": [0, 1]}), [Task("y")])
    for column in ([None, 3.0], ["", "3"], ["nan", "3.0"]):
        assert schema.encode_inputs(pa.table({"x": column}))["numeric"].tolist() == [[0.0], [1.0]]
    assert schema.encode_inputs(pa.table({"x": pa.nulls(2)}))["numeric"].tolist() == [[0.0], [0.0]]


def test_categories_written_as_numbers() -> None:
    schema = Schema.fit(pa.table({"a": ["1", "A", "1", "A"], "y": [0, 1, 0, 1]}), [Task("y")])
    assert schema.encode_inputs(pa.table({"a": [1, 1, 7]}))["categorical"].flatten().tolist() == [1, 1, 0]
    assert schema.word_columns == ["a"]


def test_numbers_taken_for_categories_stay_numbers_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("code,name,y\n1.0,01,0\n2.0,x,1\n1,01,0\n,x,1\n")
    table = read_table(tmp_path / "t.csv")
    schema = Schema.fit(table, [Task("y")], column_kinds={"code": "categorical"})
    assert schema.word_columns == ["name"]
    (tmp_path / "new.csv").write_text("code,name\n2.0,01\n1,02\n")
    new = read_table(tmp_path / "new.csv", text=[*schema.word_columns, "absent"])
    assert schema.encode_inputs(new)["categorical"].tolist() == [[2, 4], [1, 3]]
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_very_large_vocabularies_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "MOST_CATEGORIES", 2)
    table = pa.table({"a": ["x", "x", "x", "y", "y", "z"], "y": [0, 1] * 3})
    schema = Schema.fit(table, [Task("y")])
    assert schema.encode_inputs(table)["categorical"].flatten().tolist() == [1, 1, 1, 2, 2, 0]


def test_stored_and_restored_bit_for_bit() -> None:
    table = example_table()
    schema = fit(table, train=np.arange(N) % 3 > 0, text_settings=TextSettings(width=64))
    stored = json.loads(json.dumps(schema.to_dict(), allow_nan=False))
    again = Schema.from_dict(stored)
    assert again == schema
    assert Schema.from_dict(schema.to_dict()) == schema
    assert_same(again.encode_inputs(table), schema.encode_inputs(table))
    assert torch.equal(again.encode_targets(table).nan_to_num(), schema.encode_targets(table).nan_to_num())
    with pytest.raises(UserError, match="stored version 9"):
        Schema.from_dict({**stored, "version": 9})


def test_parquet_and_csv_give_the_same_tensors(tmp_path: Path) -> None:
    table = example_table()
    pa.csv.write_csv(table, tmp_path / "t.csv")
    pa.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=50)
    a, b = read_table(tmp_path / "t.csv"), read_table(tmp_path / "t.parquet")
    assert fit(a) == fit(b)
    assert_same(fit(a).encode_inputs(a), fit(b).encode_inputs(b))


def test_row_ids() -> None:
    table = example_table()
    schema = fit(table)
    ids = schema.ids(table)
    assert ids is not None and ids.to_pylist() == table["key"].to_pylist()
    assert fit(table.drop_columns("key"), id_column=None).ids(table) is None
    with pytest.raises(UserError, match="row id 'key': the column is missing"):
        schema.ids(table.drop_columns("key"))
    repeated = schema.ids(table.take([0, 0, 1]))
    assert repeated is not None and repeated.to_pylist() == ["row0", "row0", "row1"]
    said = "1 ids appear more than once, such as 'row0' (rows 1, 2); if they are duplicates, --group key"
    assert said in repeated_ids(coded(pa.chunked_array([repeated])), "key")[0]


def test_missing_columns_are_all_named_and_extra_ones_listed() -> None:
    table = example_table()
    schema = fit(table)
    renamed = table.rename_columns(["key", "x", "counts", "color", "note", "constant", "click", "price"])
    with pytest.raises(UserError) as caught:
        schema.encode_inputs(renamed, where="new.csv")
    assert caught.value.problems == (
        "new.csv: column 'count' is missing; did you mean 'counts'?",
        "new.csv: column 'colour' is missing; did you mean 'color'?",
    )
    assert schema.unused_columns(renamed.column_names) == ["counts", "color"]


def test_changed_types_are_all_named() -> None:
    table = pa.table({"a": [1, 2], "b": [1, 2], "y": [0, 1]})
    schema = Schema.fit(table, [Task("y")])
    with pytest.raises(UserError) as caught:
        schema.encode_inputs(pa.table({"a": ["1", "two"], "b": [1.0, float("-inf")]}))
    assert len(caught.value.problems) == 2
    assert "column 'a': expected numbers, found 'two' (row 2)" in caught.value.problems[0]
    assert "1 infinite values, first in row 2" in caught.value.problems[1]


def test_no_rows() -> None:
    schema = fit(example_table())
    inputs = schema.encode_inputs(example_table().slice(0, 0))
    assert {key: len(value) for key, value in inputs.items()} == {"numeric": 0, "categorical": 0, "text": 0}
    assert schema.encode_targets(example_table().slice(0, 0)).shape == (0, 2)


def test_several_text_columns_have_separate_positions() -> None:
    table = example_table().append_column("more", example_table(1)["note"])
    schema = fit(table, text_settings=TextSettings(width=32))
    text = schema.encode_inputs(table)["text"].dense()
    alone = [fit(table, features=[name], text_settings=TextSettings(width=32)) for name in ("note", "more")]
    parts = [single.encode_inputs(table)["text"].dense() for single in alone]
    assert torch.equal(text, torch.cat(parts, 1))


def test_features_and_ignore() -> None:
    table = example_table()
    assert fit(table, features=["count", "x"]).feature_names == ["count", "x"]
    assert fit(table, ignore=["x", "note"]).feature_names == ["count", "colour"]
    assert fit(table, column_kinds={"count": "categorical"}).categorical_columns == ["count", "colour"]
    assert fit(table, column_kinds={"colour": "text"}).text[0].name == "colour"


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ({"features": ["x", "cuont", "x"]}, ["no column 'cuont' .feature.; did you mean 'count'", "'x' is listed 2"]),
        ({"features": ["x", "click"]}, ["'click' is listed as target and as feature"]),
        ({"ignore": ["price"]}, ["'price' is listed as target and as ignored"]),
        ({"id_column": "click"}, ["'click' is listed as target and as row id"]),
        ({"split_column": "click"}, ["'click' is listed as target and as split"]),
        ({"id_column": "kee"}, ["no column 'kee' .row id.; did you mean 'key'"]),
        ({"id_column": "x"}, ["row id 'x': .* empty cells, first in row"]),
        ({"features": []}, ["no feature columns are left"]),
        ({"features": ["constant"]}, ["no usable feature column .'constant': it has one value"]),
        ({"column_kinds": {"x": "number", "z": "text"}}, ["unknown kind 'number'", "no column 'z'"]),
        ({"column_kinds": {"note": "numeric"}}, ["column 'note': expected numbers, found"]),
    ],
)
def test_bad_roles(options: dict, messages: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        fit(example_table(), **options)
    for message in messages:
        assert caught.match(message)


def test_bad_cells_of_all_columns_at_once() -> None:
    table = pa.table(
        {"a": [1.0, float("inf")] * 2, "b": ["1", "2", "3", "x"], "c": [1e300, -1e300] * 2, "y": [0, 1] * 2}
    )
    with pytest.raises(UserError) as caught:
        Schema.fit(table, [Task("y")], where="t.csv")
    found = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert "column 'a': 2 infinite values, first in row 2" in found
    assert "column 'b': mixes numbers, such as '1' (row 1), and words, such as 'x' (row 4)" in found
    assert "column 'c': its numbers are too large" in found
