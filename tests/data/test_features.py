"""What is learnt from one column."""

import numpy as np
import pyarrow as pa
import pytest

from polytask.data.features import CategoricalColumn, DroppedColumn, NumericColumn, TextColumn, fit_column


def fit(values: list | pa.Array, kind: str = "", train: list | None = None) -> object:
    column = pa.chunked_array([pa.array(values)])
    rows = np.ones(len(column), bool) if train is None else np.array(train, bool)
    return fit_column(column, "c", rows, kind)


def test_known_values() -> None:
    assert fit([1.0, 3.0, None]) == NumericColumn("c", 2.0, 1.0, indicator=True)
    assert fit([1.0, 3.0, None], train=[1, 1, 0]) == NumericColumn("c", 2.0, 1.0, indicator=False)
    assert fit([True, False]) == NumericColumn("c", 0.5, 0.5, indicator=False)
    assert fit(["b", "a", "b", ""]) == CategoricalColumn("c", ("b", "a"))  # the most frequent first
    assert fit(["b", "a", "d", ""], train=[1, 1, 0, 1]) == CategoricalColumn("c", ("a", "b"))
    assert fit([1, 2, 1], kind="categorical") == CategoricalColumn("c", ("1", "2"), from_numbers=True)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([5, 5, 5], "one value"),
        ([0.1 + 0.2, 0.3, 0.3], "one value"),  # but for rounding
        (["a", "a"], "one value"),
        ([None, None], "no value"),
        (["", ""], "empty"),
        ([[1], [2]], "not supported"),
    ],
)
def test_columns_that_say_nothing_are_dropped(values: list, reason: str) -> None:
    column = fit(values)
    assert isinstance(column, DroppedColumn) and reason in column.reason


def test_one_value_or_missing_says_something() -> None:
    assert fit([5, None, 5]) == NumericColumn("c", 5.0, 5.0, indicator=True)
    assert fit(["a", "", "a"]) == CategoricalColumn("c", ("a",))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([f"CC(=O)N{i}" for i in range(60)], TextColumn),  # many, all different
        ([f"a sentence of more than thirty letters, number {i}" for i in range(10)], TextColumn),  # long, all different
        ([f"a sentence of more than thirty letters, number {i}" for i in range(60)] * 3, TextColumn),  # long and many
        ([f"code {i}" for i in range(60)] * 3, CategoricalColumn),
        (["a category whose name is long enough for a text", "b"] * 20, CategoricalColumn),
        ([f"n{i}" for i in range(40)], CategoricalColumn),
        (["0", "1", "2+", "unknown"] * 5, CategoricalColumn),  # as many words as numbers
    ],
)
def test_text_or_categories(values: list[str], kind: type) -> None:
    assert isinstance(fit(values), kind)


def test_dates_become_numbers() -> None:
    days = pa.array(["2020-01-01", "2020-01-03"]).cast(pa.date32())
    assert fit(days) == NumericColumn("c", 1577836800 + 86400, 86400.0, indicator=False)
