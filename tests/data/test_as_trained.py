"""A cell is read as in training, whatever else stands in a file, a piece of it or a request."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from polytask import Task
from polytask.data import Reading, Schema, interpret
from polytask.data.marks import all_marks
from polytask.errors import UserError

Cells = list[Any]


def trained(cells: Cells, kind: str = "", marks: tuple[str, ...] = (), beside: Cells | None = None) -> Schema:
    """The schema of a feature ``a``, beside a column that may show the decimal sign, and a target ``y``."""
    rows = len(cells)
    table = pa.table({"a": cells, "b": beside or list(range(rows)), "y": [0.0, 1.0] * (rows // 2)})
    words = {"a": "classes"} if kind == "categorical" else {}
    found = interpret(table, Reading(all_marks(marks), words))
    kinds = {"a": kind} if kind else {}
    return Schema.fit(found.table, [Task("y", "regression")], column_kinds=kinds, missing=all_marks(marks),
                      decimal=found.decimal, units=found.units)  # fmt: skip


def encoded(schema: Schema, cells: Cells | pa.Array) -> Cells:
    """What networks get of a feature ``a``."""
    table = pa.table({"a": cells, "b": np.zeros(len(cells))})
    return np.concatenate([part.numpy() for part in schema.encode_inputs(table).values()], 1).tolist()


@pytest.mark.parametrize(
    ("cells", "kind", "marks", "beside", "one", "other"),
    [
        # a comma that other columns, or other rows, have shown
        (["4,126", "3,001", "2,5", "1,0"], "", (), None, ["4,126", "2,5"], [4.126, 2.5]),
        (["4,126", "3,001", "2,500", "1,100"], "", (), ["0,5", "1,5", "2,25", "3,0"], ["4,126"], [4.126]),
        # a mark that is a number, written as text and as a number
        (["-999", "1.5", "2.5", "3.5"], "", ("-999",), None, ["-999.0", "1.5"], [-999.0, 1.5]),
        (["-999", "1.5", "2.5", "3.5"], "", ("-999",), None, ["-999", "1.5"], [None, 1.5]),
        # numbers as categories, as pandas writes a column with a gap
        (["1", "2", "3", "1"], "categorical", (), None, ["3.0", "1.0"], [3, 1]),
        (["1", "2", "3", "1"], "categorical", (), None, ["3", "1"], [3.0, 1.0]),
        # truth values among words
        (["True", "False", "Unknown", "True"], "", (), None, ["True", "False"], [True, False]),
        (["true", "false", "true", "true"], "categorical", (), None, ["True", "False"], [True, False]),
    ],
)
def test_one_cell_in_two_forms(
    cells: Cells, kind: str, marks: tuple[str, ...], beside: Cells | None, one: Cells, other: Cells
) -> None:
    schema = trained(cells, kind, marks, beside)
    found = encoded(schema, one)
    assert found == encoded(schema, other)
    assert len({tuple(row) for row in found}) == len(one)  # known values, which differ


@pytest.mark.parametrize("cells", [["+", "-", "+", "-"], ["a", "-", "b", "a"]])
def test_a_minus_is_what_it_was(cells: Cells) -> None:
    """A value beside a plus in training, also where no plus is; else a missing one, also beside a plus."""
    schema = trained(cells)
    whole = dict(zip([*cells, "+"], encoded(schema, [*cells, "+"]), strict=True))
    assert encoded(schema, ["-"]) == [whole["-"]]
    assert (whole["-"] == encoded(schema, [None])[0]) == ("+" not in cells)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_labels_are_read_as_in_training(kind: str) -> None:
    classes = ("-", "+") if kind == "binary" else ("-", "+", "0")
    schema = Schema((Task("y", kind, classes=classes),), missing=all_marks([]))
    assert schema.encode_targets(pa.table({"y": ["-", "-"]})).flatten().tolist() == [0.0, 0.0]
    numbers = Schema((Task("y", "regression", center=0.0, scale=1.0),), missing=all_marks(["-999"]), decimal=",")
    assert numbers.encode_targets(pa.table({"y": ["4,125", "-999,0"]}))[:, 0].nan_to_num(nan=7.0).tolist() == [4.125, 7]


def test_dates_whose_order_training_did_not_show_are_refused() -> None:
    schema = trained(["2024-01-31", "2024-02-01", "2024-03-05", "2024-04-01"])
    assert encoded(schema, ["31/01/2024", "05/03/2024"]) == encoded(schema, ["2024-01-31", "2024-03-05"])
    with pytest.raises(UserError, match=r"'05/03/2024' \(row 1\) may begin with the day or with the month"):
        encoded(schema, ["05/03/2024"])


def test_another_unit_is_refused() -> None:
    schema = trained(["4 kg", "3 kg", "2 kg", "1 kg"])
    assert encoded(schema, ["3 kg", "2"]) == encoded(schema, [3.0, 2.0])
    with pytest.raises(UserError, match="'a': expected numbers in 'kg', as in training, found 'g'"):
        encoded(schema, ["3 g", "2 g"])


@pytest.mark.parametrize("cells", [["4,126", "3,001", "2,5", "1,0"], ["4 %", "3 %", "2 %", "1 %"]])
def test_a_stored_schema_keeps_how_numbers_were_written(cells: Cells) -> None:
    schema = trained(cells)
    assert (schema.decimal, dict(schema.units)) in ((",", {}), ("", {"a": "%"}))
    assert Schema.from_dict(schema.to_dict()) == schema
