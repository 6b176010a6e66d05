"""Columns of every Arrow type as numbers and as words."""

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest

from polytask.data.columns import coded, decoded, is_numeric, is_text, numbers


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None, 3], pa.int64()),
        ([1, None, 3], pa.uint8()),
        ([1.0, float("nan"), 3.0], pa.float32()),
        ([decimal.Decimal("1.00"), None, decimal.Decimal("3.00")], pa.decimal128(5, 2)),
        ([dt.datetime(1970, 1, 1, 0, 0, 1), None, dt.datetime(1970, 1, 1, 0, 0, 3)], pa.timestamp("ms")),
        ([dt.time(0, 0, 1), None, dt.time(0, 0, 3)], pa.time32("s")),
        ([dt.timedelta(seconds=1), None, dt.timedelta(seconds=3)], pa.duration("s")),
    ],
)
def test_numbers_of_every_type(values: list, kind: pa.DataType) -> None:
    assert is_numeric(kind)
    np.testing.assert_array_equal(numbers(pa.chunked_array([pa.array(values, kind)])), [1.0, np.nan, 3.0])


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_bytes_that_are_text_are_words_and_others_stay(kind: pa.DataType) -> None:
    cells = {"good": pa.array([b"\xc3\xa9", None], kind), "bad": pa.array([b"\xff\xfe", None], kind)}
    table = decoded(pa.table(cells))
    assert table["good"].to_pylist() == ["\u00e9", None] and is_text(table["good"].type)
    assert table["bad"].type == kind


def test_bools_dates_and_nothing() -> None:
    assert numbers(pa.chunked_array([[True, False]])).tolist() == [1.0, 0.0]
    assert numbers(pa.chunked_array([[dt.date(1970, 1, 2)]])).tolist() == [86400.0]
    assert np.isnan(numbers(pa.chunked_array([pa.nulls(2)]))).all()
    assert not is_numeric(pa.list_(pa.int8())) and not is_text(pa.list_(pa.string()))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_words_of_every_type(kind: pa.DataType) -> None:
    chunks = [pa.array(["x", "", "y"]).cast(kind), pa.array(["y", None]).cast(kind)]
    column = coded(pa.chunked_array(chunks))
    assert is_text(kind)
    assert column.words.to_pylist() == ["x", "y"]
    assert column.index.tolist() == [0, -1, 1, 1, -1]
    assert column.counts().tolist() == [1, 2]


def test_numbers_as_words() -> None:
    assert coded(pa.chunked_array([[2.0, float("nan"), 1.0, None, 2.5]])).words.to_pylist() == ["1", "2", "2.5"]
    assert coded(pa.chunked_array([[2**60 + 1]])).words.to_pylist() == [str(2**60 + 1)]
    assert coded(pa.chunked_array([[True, None]])).words.to_pylist() == ["true"]


def test_no_rows() -> None:
    for kind in (pa.string(), pa.float64(), pa.int8(), pa.null()):
        for column in (pa.chunked_array([], kind), pa.chunked_array([pa.array([], kind)])):
            assert len(coded(column).index) == 0
