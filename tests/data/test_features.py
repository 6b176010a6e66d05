"""What is learned from one column."""

import numpy as np
import pyarrow as pa
import pytest

from polytask.data.features import (
    CategoricalColumn,
    DroppedColumn,
    NumericColumn,
    TemporalColumn,
    TextColumn,
    encode_numbers,
    fit_column,
)
from polytask.errors import UserError


def fit(values: list | pa.Array, kind: str = "", train: list | None = None) -> object:
    column = pa.chunked_array([pa.array(values)])
    rows = np.ones(len(column), bool) if train is None else np.array(train, bool)
    return fit_column(column, "c", rows, kind)


def test_known_values() -> None:
    assert fit([1.0, 3.0, None]) == NumericColumn("c", 2.0, 1.0, indicator=True, low=1.0, high=3.0)
    assert fit([1.0, 3.0, None], train=[1, 1, 0]) == NumericColumn("c", 2.0, 1.0, indicator=False, low=1.0, high=3.0)
    assert fit([True, False]) == NumericColumn("c", 0.5, 0.5, indicator=False, low=0.0, high=1.0)
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


def test_an_option_for_a_name_with_a_blank_can_be_pasted() -> None:
    ids = pa.array([f"T-{number:05d}" for number in range(40)])
    column = fit_column(ids, "trip id", np.ones(40, bool))
    assert isinstance(column, DroppedColumn) and "--set 'data.column_kind.trip id=text'" in column.reason


def test_one_value_or_missing_reports_itmething() -> None:
    assert fit([5, None, 5]) == NumericColumn("c", 5.0, 5.0, indicator=True, low=5.0, high=5.0)
    assert fit(["a", "", "a"]) == CategoricalColumn("c", ("a",))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([f"CC(=O)N{i}" for i in range(60)], TextColumn),  # many, all different
        ([f"a sentence of more than thirty letters, number {i}" for i in range(10)], TextColumn),  # long, all different
        ([f"a sentence of more than thirty letters, number {i}" for i in range(60)] * 3, TextColumn),  # long and many
        ([f"code {i}" for i in range(60)] * 3, CategoricalColumn),
        (["a category whose name is long enough for a text", "b"] * 20, CategoricalColumn),
        ([f"{a}{b}o" for a in "bdfgklm" for b in "aeiouy"], TextColumn),  # a name per row, none like row ids
        ([f"{a}{b}o" for a in "bdfgk" for b in "aeiou"], CategoricalColumn),
        ([f"n{i}" for i in range(40)], DroppedColumn),  # row ids
        ([f"n{i}" for i in range(20)], CategoricalColumn),  # too few to tell
        (["0", "1", "2+", "unknown"] * 5, CategoricalColumn),  # as many words as numbers
    ],
)
def test_text_or_categories(values: list[str], kind: type) -> None:
    assert isinstance(fit(values), kind)


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("ns"), pa.string()])
def test_dates_become_parts(kind: pa.DataType) -> None:
    column = fit(pa.array(["2020-01-01", "2020-01-03"]).cast(kind))
    assert isinstance(column, TemporalColumn) and column.order == "iso"
    parts = {part.name: part for part in column.parts}
    assert set(parts) == {"time", "weekday", "weekday_sin", "weekday_cos"}  # one year, one month, no hours
    assert parts["time"] == NumericColumn("time", 18263.0, 1.0, indicator=False, low=18262.0, high=18264.0)
    assert (parts["weekday"].low, parts["weekday"].high) == (2.0, 4.0)  # Wednesday, Friday


def test_the_order_of_day_and_month_is_that_of_the_column_or_asked_for() -> None:
    assert fit(["03/04/2020", "25/04/2020"]).order == "day_first"
    assert fit(["03/04/2020", "04/25/2020"]).order == "month_first"
    with pytest.raises(UserError, match=r"may begin with the day or with the month.*day_first, or month_first"):
        fit(["03/04/2020", "05/04/2020"])
    assert fit(["03/04/2020", "05/04/2020"], kind="month_first").order == "month_first"
    with pytest.raises(UserError, match=r"mixes dates.*'soon' \(row 2\).*--missing soon"):
        fit(["2020-01-01", "soon", "2020-01-02"])


def test_columns_that_name_rows_are_left_out_unless_asked_for() -> None:
    ids = list(range(100, 140))
    assert isinstance(fit_column(pa.chunked_array([ids]), "user_id", np.ones(40, bool)), DroppedColumn)
    assert isinstance(fit_column(pa.chunked_array([ids]), "user_id", np.ones(40, bool), asked=True), NumericColumn)
    assert isinstance(fit_column(pa.chunked_array([ids]), "user_id", np.ones(40, bool), "numeric"), NumericColumn)
    assert isinstance(fit_column(pa.chunked_array([ids]), "size", np.ones(40, bool)), NumericColumn)
    assert isinstance(fit_column(pa.chunked_array([[1, 2] * 20]), "shop_id", np.ones(40, bool)), NumericColumn)
    assert isinstance(fit_column(pa.chunked_array([ids]), "__index_level_0__", np.ones(40, bool)), DroppedColumn)


def test_no_data_marks_are_not_in_the_range_and_values_far_outside_are_clipped() -> None:
    column = fit([0.0, 1.0, -3.4028234663852886e38, 2.0])
    assert (column.low, column.high, column.limits) == (0.0, 2.0, (-2.0, 4.0))
    encoded = encode_numbers([np.array([1.0, 3.9, 1e39, -1e300, np.nan])], [column])[:, 0]
    np.testing.assert_allclose(encoded * column.scale + column.center, [1.0, 3.9, 4.0, -2.0, 1.0], rtol=1e-6)
