"""Embeddings of numbers."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask import Task
from polytask.data import Schema
from polytask.data.features import bin_edges
from polytask.models.encoders.numbers import MOST_BINS, MOST_INPUTS, Auto, Linear, Periodic, Piecewise, fewer_edges

VALUES = np.arange(101.0)


def schema_of(values, train=None, bins=4):
    table = pa.table({"x": values, "y": [row % 2 for row in range(len(values))]})
    return Schema.fit(table, [Task("y")], train=train, bins=bins)


def test_bins_hold_equally_many_rows():
    values = np.random.default_rng(0).gamma(1.0, size=1000)
    edges = np.array(bin_edges(values, 10))
    counts, _ = np.histogram(values, edges.astype(float))
    assert len(edges) == 11
    assert counts.min() >= 99


def test_bins_are_those_of_the_training_rows():
    train = np.arange(101) < 51
    (column,) = schema_of(VALUES, train).numeric
    (other,) = schema_of(np.where(train, VALUES, 1e6 - VALUES), train).numeric
    assert column == other
    np.testing.assert_allclose(
        np.array(column.edges) * column.scale + column.center, [0, 12.5, 25, 37.5, 50], atol=1e-5
    )


def test_no_bins_unless_they_are_asked_for():
    assert schema_of(VALUES, bins=0).numeric[0].edges == ()


def test_a_column_of_one_value_and_missing_ones_has_bins():
    (column,) = schema_of(pa.array([None if row % 3 else 7.0 for row in range(30)])).numeric
    assert column.edges == (-1.0, 1.0)


def test_a_piecewise_embedding_is_linear_inside_of_a_bin_and_bends_at_its_edge():
    schema = schema_of(VALUES)
    torch.manual_seed(0)
    module = Piecewise(name="piecewise", bins=4).make(schema)
    torch.nn.init.normal_(module.embedding.linear.weight)
    edges = torch.tensor(schema.numeric[0].edges)
    inside = edges[1] + (edges[2] - edges[1]) * torch.tensor([0.1, 0.3, 0.5])
    first, middle, last = module(inside[:, None])[:, 0]
    torch.testing.assert_close(middle - first, last - middle)
    across = edges[2] + 0.2 * torch.tensor([-1.0, 0.0, 1.0])
    first, middle, last = module(across[:, None])[:, 0]
    assert not torch.allclose(middle - first, last - middle, atol=1e-3)


def test_a_piecewise_embedding_starts_linear():
    module = Piecewise(name="piecewise").make(schema_of(VALUES, bins=32))
    slopes = module(torch.linspace(-2, 2, 9)[:, None])[:, 0].diff(dim=0)
    torch.testing.assert_close(slopes, slopes[:1].expand_as(slopes))


@pytest.mark.parametrize("width", [None, 5])
def test_widths(width):
    schema = schema_of(VALUES)
    for options in (Periodic(name="periodic", width=width), Piecewise(name="piecewise", width=width)):
        module = options.make(schema)
        assert module(torch.zeros(3, 1)).shape == (3, 1, width or 16)
        assert options.make(schema, 7)(torch.zeros(3, 1)).shape == (3, 1, 7)
    assert Linear(name="linear").make(schema) is None
    assert Linear(name="linear").make(schema, 7)(torch.zeros(3, 1)).shape == (3, 1, 7)


def test_columns_of_one_bin_enter_as_they_are_and_all_numbers_arrive():
    table = pa.table({"flag": VALUES % 2, "x": [None, *VALUES[1:]], "rare": VALUES // 100, "y": VALUES % 2})
    schema = Schema.fit(table, [Task("y")], bins=4)
    module = Piecewise(name="piecewise").make(schema)
    numeric = schema.encode_inputs(table)["numeric"]
    assert [column.name for column in schema.numeric] == ["flag", "x", "rare"]
    assert module(numeric).shape == (101, 1, 16)
    # the two others, and behind them the indicator of missing values
    torch.testing.assert_close(module.others(numeric), numeric[:, [0, 2, 3]])


@pytest.mark.parametrize(("columns", "width", "bins"), [(3, 16, 32), (300, 6, 27), (1000, 2, 8)])
def test_auto_bends_numbers_of_any_usual_table_at_a_bounded_cost(columns: int, width: int, bins: int) -> None:
    table = pa.table({**{f"x{j}": VALUES * (j + 1) for j in range(columns)}, "flag": VALUES % 2, "y": VALUES % 2})
    module = Auto().make(schema := Schema.fit(table, [Task("y")], bins=Auto().bins_wanted))
    assert (module.columns, module.width) == (columns, width)
    assert columns * width <= MOST_INPUTS and columns * bins <= MOST_BINS
    assert max(len(one) for one in fewer_edges_of(schema, bins)) == bins + 1
    assert module(schema.encode_inputs(table)["numeric"]).shape == (101, columns, width)
    assert Auto().make(schema, 4).columns == columns + 1


@pytest.mark.parametrize(("rows", "bins"), [(30, 8), (64, 8), (100, 12), (255, 31), (256, 32), (5000, 32)])
def test_auto_has_fewer_bins_of_few_rows(rows: int, bins: int) -> None:
    table = pa.table({"x": range(rows), "y": [row % 2 for row in range(rows)]})
    schema = Schema.fit(table, [Task("y")], bins=Auto().bins_wanted)
    assert Auto().make(schema).embedding.linear.weight.shape == (1, bins, 16)
    stored_before = replace(schema, rows=0)  # a network of then has all of them
    assert Auto().make(stored_before).embedding.linear.weight.shape[1] == 32


def fewer_edges_of(schema: Schema, bins: int) -> list:
    return [fewer_edges(column.edges, bins) for column in schema.numbers]


def test_auto_takes_numbers_as_they_are_only_where_no_bins_are_left() -> None:
    table = pa.table({**{f"x{j}": VALUES * (j + 1) for j in range(MOST_BINS // 2 + 1)}, "y": VALUES % 2})
    assert Auto().make(Schema.fit(table, [Task("y")], bins=Auto().bins_wanted)) is None


@given(st.lists(st.integers(-999, 999), min_size=2, max_size=40, unique=True), st.integers(2, 40))
def test_fewer_edges_keep_the_outer_ones_and_their_order(edges: list[int], bins: int) -> None:
    found = list(fewer_edges(sorted(edges), bins))
    assert found == sorted(set(found)) and set(found) <= set(edges)
    assert (found[0], found[-1]) == (min(edges), max(edges)) and len(found) == min(len(edges), bins + 1)
