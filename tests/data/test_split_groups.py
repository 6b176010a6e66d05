"""Splits by groups and by time, for random tables."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.data.split_groups import group_codes, split_by_groups, split_by_time, times, uneven
from polytask.errors import UserError

SHARES = np.array([0.7, 0.15, 0.15])
PARTS = st.sampled_from([SHARES, np.array([0.8, 0.2, 0.0]), np.array([0.5, 0.0, 0.5]), np.full(5, 0.2)])


@given(
    groups=st.lists(st.integers(0, 30), min_size=5, max_size=200),
    shares=PARTS,
    seed=st.integers(0, 5),
    rate=st.floats(0.05, 0.95),
)
def test_no_group_is_on_two_sides(groups: list[int], shares: np.ndarray, seed: int, rate: float) -> None:
    codes = np.unique(groups, return_inverse=True)[1]
    labels = (np.random.default_rng(seed).random((len(codes), 2)) < rate).astype(float)
    labels[::7] = np.nan
    wanted = np.flatnonzero(shares > 0)
    if codes.max() + 1 < len(wanted):
        with pytest.raises(UserError, match="give a column with more groups"):
            split_by_groups(codes, labels, ["binary", "binary"], shares, seed)
        return
    split = split_by_groups(codes, labels, ["binary", "binary"], shares, seed)
    assert all(len(set(split[codes == group])) == 1 for group in range(codes.max() + 1))
    assert sorted(set(split)) == wanted.tolist()
    assert (split == split_by_groups(codes, labels, ["binary", "binary"], shares, seed)).all()


def test_groups_are_shared_out_by_rows_and_classes() -> None:
    draw = np.random.default_rng(0)
    groups = draw.integers(0, 200, 3000)
    rare = draw.random(200) < 0.1  # all rows of a group have one label
    labels = np.stack([rare[groups].astype(float), draw.normal(size=3000)], 1)
    split = split_by_groups(groups, labels, ["binary", "regression"], SHARES)
    assert np.abs(np.bincount(split) / 3000 - SHARES).max() < 0.02
    positive = np.bincount(split[labels[:, 0] == 1], minlength=3)
    assert np.abs(positive / positive.sum() - SHARES).max() < 0.05
    other = split_by_groups(groups, labels, ["binary", "regression"], SHARES, seed=1)
    assert (other != split).mean() > 0.2


def test_a_group_of_most_rows_is_reported() -> None:
    groups = np.append(np.zeros(900, int), np.arange(1, 101))
    split = split_by_groups(groups, np.zeros((1000, 0)), [], SHARES)
    assert set(split[:900]) == {0}
    assert "90 %, 5 %, 5 % of the rows where 70 %, 15 %, 15 %" in uneven(split, SHARES, "why")[0]
    assert uneven(np.repeat([0, 1, 2], [700, 150, 150]), SHARES, "why") == []


def test_rows_without_a_group_are_alone() -> None:
    assert group_codes(pa.chunked_array([["a", None, "", "a"]])).tolist() == [0, 1, 2, 0]


@given(when=st.lists(st.integers(0, 40), min_size=1, max_size=150), shares=PARTS)
def test_time_goes_forward(when: list[int], shares: np.ndarray) -> None:
    values, wanted = np.array(when, float), np.flatnonzero(shares > 0)
    if len(set(when)) < len(wanted):
        with pytest.raises(UserError, match="different times cannot be in"):
            split_by_time(values, shares)
        return
    split = split_by_time(values, shares)
    assert sorted(set(split)) == wanted.tolist()
    for before, after in pairwise(wanted):
        assert values[split == before].max() < values[split == after].min()


def test_distinct_times_have_the_shares() -> None:
    when = np.random.default_rng(0).permutation(1000).astype(float)
    assert np.bincount(split_by_time(when, SHARES)).tolist() == [700, 150, 150]


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-01-02", "2024-01-01T12:00", "2023-12-31"],
        ["13/01/2024", "12/01/2024", "01/02/2023"],
        [3, 2, 1],
        np.array(["2024-01-02", "2024-01-01", "2023-01-01"], "datetime64[us]"),
    ],
)
def test_times_are_dates_or_numbers(cells: list[object]) -> None:
    values = times(pa.chunked_array([pa.array(cells)]), "", "t.csv: time 'when'")
    assert values[0] > values[1] > values[2]


def test_the_order_of_day_and_month_is_asked_for() -> None:
    column = pa.chunked_array([["01/02/2024", "03/02/2024"]])
    with pytest.raises(UserError, match="day and month cannot be distinguished"):
        times(column, "", "at")
    early, late = times(column, "month_first", "at")
    assert late - early == 60 * 86_400


@pytest.mark.parametrize("cells", [["2024-01-01", None], [1.0, None], ["2024-01-01", "soon"]])
def test_rows_without_a_time_are_named(cells: list[object]) -> None:
    with pytest.raises(UserError, match="row 2"):
        times(pa.chunked_array([cells]), "", "at")
