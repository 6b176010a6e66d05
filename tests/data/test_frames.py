"""Tables in memory from several libraries, and back."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from polytask.data.frames import arrow_table, like
from polytask.errors import UserError

COLUMNS = {"size": [1.5, None, 3.0], "colour": ["red", None, "blue"], "sold": [True, False, True]}
FRAMES = {
    "pandas": pd.DataFrame(COLUMNS, index=["u", "v", "w"]),
    "polars": pl.DataFrame(COLUMNS),
    "lazy": pl.DataFrame(COLUMNS).lazy(),
    "arrow": pa.table(COLUMNS),
    "batches": pa.RecordBatchReader.from_batches(pa.table(COLUMNS).schema, pa.table(COLUMNS).to_batches()),
    "lists": COLUMNS,
    "arrays": {name: np.array(values) for name, values in COLUMNS.items()},
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_library_gives_the_same_cells(name):
    assert arrow_table(FRAMES[name]).to_pydict() == COLUMNS


@pytest.mark.parametrize("name", ["pandas", "polars", "lazy", "arrow", "arrays"])
def test_what_was_given_comes_back(name):
    frame = FRAMES[name]
    found = like(pa.table({"price": [2.5, 3.0, 3.5]}), frame)
    expected = pl.DataFrame if name == "lazy" else type(frame)
    assert isinstance(found, expected)
    assert [*found["price"]] == [2.5, 3.0, 3.5] or found["price"].to_pylist() == [2.5, 3.0, 3.5]


def test_pandas_keeps_its_index():
    assert like(pa.table({"p": [1, 2, 3]}), FRAMES["pandas"]).index.tolist() == ["u", "v", "w"]


def test_categories_of_pandas_are_words():
    table = arrow_table(pd.DataFrame({"c": pd.Categorical(["b", "a", None])}))
    assert table["c"].to_pylist() == ["b", "a", None]


def test_columns_of_pandas_that_arrow_lacks_are_words_as_in_csv():
    frame = pd.DataFrame({"mixed": [1, "b", None], "huge": [10**30, 1, 2]}, dtype=object)
    frame["span"], frame["month"] = pd.cut([0.5, 1.5, 9], [0, 1, 2]), pd.period_range("2024-01", periods=3, freq="M")
    assert arrow_table(frame).to_pydict() == {
        "mixed": ["1", "b", None],
        "huge": [str(10**30), "1", "2"],
        "span": ["(0, 1]", "(1, 2]", None],
        "month": ["2024-01", "2024-02", "2024-03"],
    }


def test_encodings_say_nothing_about_cells():
    days = pd.Categorical(pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-01"]))
    table = arrow_table(pd.DataFrame({"n": pd.Categorical([7, 8, 7]), "day": days}))
    assert pa.types.is_integer(table["n"].type) and pa.types.is_timestamp(table["day"].type)


def test_blanks_around_names_do_not_count_as_in_files():
    assert arrow_table({"x ": [1], " y": [2]}).column_names == ["x", "y"]
    with pytest.raises(UserError, match="several columns have the same name: 'x'"):
        arrow_table({"x ": [1], "x": [2]})


def test_an_array_has_columns_by_number_and_comes_back_as_one():
    array = np.arange(6.0).reshape(3, 2)
    assert arrow_table(array).to_pydict() == {"x0": [0.0, 2.0, 4.0], "x1": [1.0, 3.0, 5.0]}
    back = like(pa.table({"p": [1.0, 2.0, 3.0], "q": [True, False, True]}), array)
    assert back.tolist() == [[1.0, 1.0], [2.0, 0.0], [3.0, 1.0]]
    mixed = like(pa.table({"p": [1.0, 2.0, 3.0], "q": ["a", "b", "c"]}), array)
    assert mixed.tolist() == [[1.0, "a"], [2.0, "b"], [3.0, "c"]]


def test_a_structured_array_has_its_own_names():
    array = np.array([(1.5, b"u"), (2.5, b"v")], dtype=[("size", float), ("word", "S1")])
    assert arrow_table(array).column_names == ["size", "word"]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (3, "found int"),
        (np.zeros(3), "found ndarray"),
        (pd.DataFrame({"a": [1j, "x"]}), "one type"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names"),
        ({"a": [1, 2], "b": [1]}, "cannot be read"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), "same name: 'a'"),
    ],
)
def test_what_is_no_table_is_named(frame, says):
    with pytest.raises(UserError, match=says):
        arrow_table(frame, "df")
