"""Tables as people write them, from a grammar of columns (separators, marks, units, dates), are read back right."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferred import infer_tasks
from polytask.data import MARKS, Reading, Schema, all_marks, interpret, read_cells, read_sources
from polytask.data import reading as reading_module
from polytask.data.dates import date_parts, moments, read_dates
from polytask.data.features import fit_column
from polytask.data.marks import MARKS_OF_NUMBERS
from polytask.data.number_words import read_numbers
from polytask.errors import UserError
from polytask.task import Task

ROWS = 12
DAYS = st.dates(dt.date(1950, 1, 13), dt.date(2068, 12, 28))


def grouped(value: float, thousands: str, decimal: str) -> str:
    """``1234.5`` with the given signs."""
    return f"{value:,.2f}".replace(",", "#").replace(".", decimal).replace("#", thousands)


NUMBER_STYLES: dict[str, tuple[str, Callable[[float], str]]] = {
    "plain": (".", lambda x: f"{x:.2f}"),
    "point": (".", lambda x: grouped(x, ",", ".")),
    "comma": (",", lambda x: grouped(x, ".", ",")),
    "blank": (",", lambda x: grouped(x, "\u202f", ",")),
    "swiss": (".", lambda x: grouped(x, "'", ".")),
}
AROUND = ("{}", "${}", "{} \u20ac", "{} %", "{}%", "{} kg", "  {} ", "EUR {}", "R$ {}", "{} K\u010d", "\u20ba{}",
          "Rs. {}", "USD{}", "kr {}")  # fmt: skip
DATE_STYLES = {
    "iso": "%Y-%m-%d", "time": "%Y-%m-%dT%H:%M:%S", "zone": "%Y-%m-%d %H:%M:%SZ", "german": "%d.%m.%Y",
    "british": "%d/%m/%Y", "american": "%m/%d/%Y %I:%M %p", "named": "%d-%b-%Y", "long": "%B %d, %Y",
}  # fmt: skip


@st.composite
def number_columns(draw: st.DrawFn) -> tuple[list[str], list[float], str]:
    values = draw(st.lists(st.integers(-9_999_999, 9_999_999).map(lambda n: n / 100), min_size=ROWS, max_size=ROWS))
    style = draw(st.sampled_from(sorted(NUMBER_STYLES)))
    values[0] = 1234567.25  # one cell tells the style
    around = draw(st.sampled_from(AROUND))
    cells = [around.format(NUMBER_STYLES[style][1](value)) for value in values]
    return cells, values, NUMBER_STYLES[style][0]


@st.composite
def date_columns(draw: st.DrawFn) -> tuple[list[str], list[float]]:
    days = draw(st.lists(DAYS, min_size=ROWS, max_size=ROWS))
    days[0] = dt.date(2024, 2, 29)  # a day beyond 12 tells the order
    style = DATE_STYLES[draw(st.sampled_from(sorted(DATE_STYLES)))]
    clock = dt.time(draw(st.integers(0, 23)), draw(st.integers(0, 59))) if "%M" in style else dt.time()
    moments_ = [dt.datetime.combine(day, clock) for day in days]
    since = [(moment - dt.datetime(1970, 1, 1)).total_seconds() for moment in moments_]
    return [moment.strftime(style) for moment in moments_], since


ZONES = ("Z", "+02:00", "-0530", " UTC", "")
#: Words for truth, the negative one first.
TRUTH = (("no", "yes"), ("N", "Y"), ("false", "true"), ("F", "T"), ("off", "on"), ("nein", "ja"), ("non", "oui"),
         ("falsch", "wahr"), ("0", "1"))  # fmt: skip
NAMES = ("amount", "amount, in total", "Betrag (\u20ac)", "a b", '"amount"', "amount;x")


@st.composite
def zoned_columns(draw: st.DrawFn) -> tuple[list[str], list[float]]:
    """Moments, each with a zone of its own; without one they are UTC."""
    seconds = draw(st.lists(st.integers(0, 4 * 10**9), min_size=ROWS, max_size=ROWS))
    cells = []
    for second in seconds:
        zone = draw(st.sampled_from(ZONES))
        offset = {"+02:00": 7200, "-0530": -19800}.get(zone, 0)
        shown = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=second + offset)
        cells.append(shown.strftime(draw(st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]))) + zone)
    return cells, [float(second) for second in seconds]


def with_marks(draw: st.DrawFn, cells: list[str], values: list[Any], marks: tuple[str, ...]) -> list[Any]:
    """Some cells but the first become marks, in place."""
    for row in draw(st.sets(st.integers(1, ROWS - 1), max_size=4)):
        cells[row], values[row] = draw(st.sampled_from(marks)), np.nan
    return values


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_tables_of_the_grammar_are_read_back(tmp_path: Path, data: st.DataObject) -> None:
    numbers, values, decimal = data.draw(number_columns())
    dates, seconds = data.draw(date_columns())
    moments_, since = data.draw(zoned_columns())
    words = data.draw(st.lists(st.sampled_from(["red", "light blue", "green"]), min_size=ROWS, max_size=ROWS))
    separator = data.draw(st.sampled_from([";", "\t", "|"] if decimal == "," else [",", ";", "\t"]))
    name, truth = data.draw(st.sampled_from(NAMES)), data.draw(st.sampled_from(TRUTH))
    marks = tuple(mark for mark in MARKS if separator not in mark)
    values = with_marks(data.draw, numbers, values, (*marks, *MARKS_OF_NUMBERS))
    seconds = with_marks(data.draw, dates, seconds, marks)
    expected = list(words)
    with_marks(data.draw, words, expected, marks)
    ids = [f"{number:04d}" for number in range(ROWS)]
    zips = [f"{code:05d}" for code in data.draw(st.lists(st.integers(0, 99_999), min_size=ROWS, max_size=ROWS))]
    zips[0] = "01234"
    sold = [truth[row % 2] for row in range(ROWS)]
    nothing = data.draw(st.lists(st.sampled_from(marks), min_size=ROWS, max_size=ROWS))
    padded = [f" {word} " for word in words]
    path = tmp_path / "table.csv"
    ends, encoding = (
        data.draw(st.sampled_from(["\n", "\r\n"])),
        data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"] + ["cp1252"] * ("\u202f" not in "".join(numbers)))),
    )
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.writer(stream, delimiter=separator, lineterminator=ends)
        writer.writerow(["id", name, "day", "moment", "colour", "zip", "nothing", "sold"])
        writer.writerows(zip(ids, numbers, dates, moments_, padded, zips, nothing, sold, strict=True))
    table = read_sources([path], [()], ["sold"], Reading(kinds={"id": "words"})).table
    assert table["id"].to_pylist() == ids and table["zip"].to_pylist() == zips
    np.testing.assert_allclose(table[name].to_numpy(), values, rtol=1e-12)
    assert table["colour"].to_pylist() == [None if word is np.nan else word for word in expected]
    assert table["nothing"].null_count == ROWS
    found = moments(table["day"], read_dates(pa.array([d for d in dates if d not in MARKS])).order, "day")
    np.testing.assert_array_equal(found, seconds)
    np.testing.assert_array_equal(moments(table["moment"], "iso", "moment"), since)
    (task,) = infer_tasks(table, where="table", targets=["sold"])
    assert (task.kind, task.classes) == ("binary", truth)
    if len(set(np.array(seconds)[~np.isnan(seconds)])) > 1 and len(set(since)) > 1:
        schema = Schema.fit(table, [task], id_column="id")
        assert [column.name for column in schema.temporal] == ["day", "moment"]
        equal = [column for column, cells in ((name, values), ("colour", expected)) if len({*cells} - {np.nan}) < 2]
        assert {column.name for column in schema.dropped} - {"zip"} == {"nothing", *equal}
        raw = read_cells(path)[0]  # predict reads the cells by the schema alone
        again, once = schema.encode_inputs(raw), schema.encode_inputs(table)
        assert all(torch.equal(again[name], once[name]) for name in once)


COMPACT = [f"2024{month:02d}{day:02d}" for month in (1, 2, 12) for day in (1, 10, 29, 5)]


def test_compact_dates_are_those_of_the_calendar() -> None:
    iso = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in COMPACT]
    sold = pa.array([0, 1] * 6)
    expected = Schema.fit(pa.table({"day": iso, "sold": sold}), [Task("sold")])
    schema = Schema.fit(pa.table({"day": [int(day) for day in COMPACT], "sold": sold}), [Task("sold")])
    assert schema.temporal[0].parts == expected.temporal[0].parts
    inputs = expected.encode_inputs(pa.table({"day": iso}))["numeric"]
    forms = (COMPACT, [int(day) for day in COMPACT], [float(day) for day in COMPACT], iso)
    for cells in (*forms, [f"{day}.000000" for day in COMPACT]):
        assert torch.equal(schema.encode_inputs(pa.table({"day": cells}))["numeric"], inputs)


@pytest.mark.parametrize("cells", [
    [20240101 + n for n in range(40)],  # no 32nd of January
    [20240101 + n for n in range(9)],  # too few to be no chance
    [1_000_101 + n for n in range(20)],
])  # fmt: skip
def test_numbers_that_are_no_compact_dates(cells: list[int]) -> None:
    table = pa.table({"n": cells, "sold": [n % 2 for n in range(len(cells))]})
    assert [column.name for column in Schema.fit(table, [Task("sold")]).numeric] == ["n"]
    asked = Schema.fit(pa.table({"n": COMPACT, "sold": [0, 1] * 6}), [Task("sold")], column_kinds={"n": "date"})
    assert asked.temporal[0].order == "compact"


def test_a_day_per_row_is_no_row_id() -> None:
    days = [str(dt.date(2024, 1, 1) + dt.timedelta(days=number)) for number in range(60)]
    codes = [f"2024-{number:03d}" for number in range(60)]
    schema = Schema.fit(pa.table({"day": days, "code": codes, "sold": [0, 1] * 30}), [Task("sold")])
    assert [column.name for column in schema.temporal] == ["day"]
    assert [column.name for column in schema.dropped] == ["code"]


def test_dates_in_both_orders_are_refused() -> None:
    days = [f"{number + 1}/{1 + number % 12}/2024" for number in range(28)]
    days += [f"{1 + number % 12}/{number + 1}/2024" for number in range(28)]
    with pytest.raises(UserError, match=r"'13/1/2024' \(row 13\) begin with the day, and such as '1/13/2024'"):
        Schema.fit(pa.table({"day": days, "sold": [0, 1] * 28}), [Task("sold")])


def test_codes_with_leading_zeros_are_words_beside_others() -> None:
    codes = ["01234", "94103", "10001-1234"] * 20
    schema = Schema.fit(pa.table({"zip": codes, "sold": [0, 1] * 30}), [Task("sold")])
    assert set(schema.categorical[0].categories) == set(codes)


def test_ids_that_repeat_are_left_out_unless_they_are_few() -> None:
    table = pa.table({
        "customer_id": [number // 2 for number in range(200)],
        "patientId": [f"N{number // 2}A{number % 2}" for number in range(200)],
        "store_id": [number % 10 for number in range(200)],
        "x": np.arange(200.0) % 7,
        "sold": [0, 1] * 100,
    })  # fmt: skip
    schema = Schema.fit(table, [Task("sold")])
    assert [column.name for column in schema.dropped] == ["customer_id", "patientId"]
    assert "--group customer_id" in schema.dropped[0].reason
    kept = Schema.fit(table, [Task("sold")], column_kinds={"customer_id": "categorical"})
    assert "customer_id" in kept.categorical_columns


@given(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)))
def test_parts_of_dates_are_those_of_the_calendar(moment: dt.datetime) -> None:
    seconds = (moment.replace(microsecond=0) - dt.datetime(1970, 1, 1)).total_seconds()
    parts = {name: float(value) for name, value in date_parts(torch.tensor([seconds], dtype=torch.float64)).items()}
    assert (parts["year"], parts["month"], parts["weekday"]) == (moment.year, moment.month, moment.weekday())
    assert parts["hour"] == pytest.approx(moment.hour + moment.minute / 60 + moment.second / 3600)
    assert parts["month_sin"] ** 2 + parts["month_cos"] ** 2 == pytest.approx(1, abs=1e-6)


def test_a_date_is_the_same_in_all_its_forms() -> None:
    day = dt.datetime(2024, 1, 5, 13, 30)
    seconds = 1704461400
    forms = [
        pa.array(["2024-01-05T13:30:00"]), pa.array(["2024-01-05 14:30+01:00"]), pa.array([day], pa.timestamp("ms")),
        pa.array([seconds]), pa.array([seconds * 1000]), pa.array([seconds * 1e9]), pa.array([str(seconds)]),
    ]  # fmt: skip
    assert {float(moments(pa.chunked_array([form]), "iso", "day")[0]) for form in forms} == {seconds}
    compact = [pa.array([20240105]), pa.array(["20240105"]), pa.array([20240105.0])]
    assert {float(moments(pa.chunked_array([form]), "iso", "day")[0]) for form in compact} == {1704412800}


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2024-02", dt.datetime(2024, 2, 1)),
        ("1999/12", dt.datetime(1999, 12, 1)),
        ("2024-Q3", dt.datetime(2024, 7, 1)),
        ("2023 q4", dt.datetime(2023, 10, 1)),
        ("1987Q1", dt.datetime(1987, 1, 1)),
        ("20240105T133005", dt.datetime(2024, 1, 5, 13, 30, 5)),
        ("20240105T1330Z", dt.datetime(2024, 1, 5, 13, 30)),
        ("20240105T143005.5+0100", dt.datetime(2024, 1, 5, 13, 30, 5, 500_000)),
        ("Fri Jan  5 13:30:05 2024", dt.datetime(2024, 1, 5, 13, 30, 5)),
    ],
)
def test_months_quarters_and_forms_of_programs(cell: str, day: dt.datetime) -> None:
    found = read_dates(pa.array([cell]))
    assert (found.order, found.seconds.tolist()) == ("iso", [(day - dt.datetime(1970, 1, 1)).total_seconds()])


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1,234", "2,500"], [1234, 2500]),
        (["\u20ac110.5M", "\u20ac560K"], [110.5e6, 560e3]),
        (["(1,200.50)", "$3"], [-1200.5, 3]),
        (["1,000+", "5+"], [1000, 5]),
        (["36.6\u00b0C", "37\u00b0C"], [36.6, 37]),
        (["0,126", "1,304"], [0.126, 1.304]),  # no thousands begin with 0
        (["0.126", "1.304"], [0.126, 1.304]),
        (["1,257E-01", "3,2E+02"], [0.1257, 320]),
        (["396.00-", "378.00"], [-396, 378]),
        (["$(1,396.00)", "$378.00"], [-1396, 378]),
        (["5,-", "6,50"], [5, 6.5]),
        (["1-", "2-"], [None] * 2),  # grades
        (["A12", "Q1"], [None] * 2),
        (["12", "13", "14 kg"], [12, 13, None]),  # one unit among many is a slip
        (["1st", "2nd", "3rd"], [None] * 3),
        (["0x12", "1,2,3", "1.2.3"], [None] * 3),
    ],
)
def test_numbers_with_units(cells: list[str], values: list[float | None]) -> None:
    np.testing.assert_allclose(read_numbers(pa.array(cells)).values, np.array(values, float))


@given(
    st.lists(
        st.sampled_from(["1", "-1.", "1.5", "1.200", "-12.345", "0.125", "1234.500", "007", "100.000"]), max_size=5
    ),
    st.sampled_from(["", ".", ","]),
)
def test_plain_numbers_are_read_as_among_others(cells: list[str], decimal: str) -> None:
    """They take a way of their own, which is faster."""
    alone = read_numbers(pa.array(cells, pa.string()), decimal)
    among = read_numbers(pa.array([*cells, "+7"], pa.string()), decimal)  # fits every style
    np.testing.assert_array_equal(alone.values, among.values[:-1])
    assert (alone.decimal, alone.found, alone.strange.tolist()) == (among.decimal, among.found, [False] * len(cells))


@pytest.mark.parametrize(
    "cells",
    [
        ["05/13/2024", "13/05/2024"],
        ["2024-02-30"],
        ["25:10"],
        ["1.5"],
        ["20240105"],
        ["house 12"],
        ["2024-13"],
        ["2024-Q5"],
        ["3024-01"],
        ["20241305T1330"],
    ],
)
def test_what_is_no_date(cells: list[str]) -> None:
    assert read_dates(pa.array(cells)).strange.any()


def test_signs_are_classes_where_both_appear() -> None:
    table, *_ = interpret(pa.table({"strand": ["+", "-", "+"], "other": ["a", "-", "b"]}), Reading())
    assert table["strand"].to_pylist() == ["+", "-", "+"] and table["other"].to_pylist() == ["a", None, "b"]


@pytest.mark.parametrize("mark", ["***", "---", "..", "#WERT!", "#N/D", "(null)", "not available"])
def test_marks_among_numbers(mark: str) -> None:
    table, notes, *_ = interpret(pa.table({"a": ["1.5", mark], "b": ["red", mark]}), Reading())
    assert table.to_pydict() == {"a": [1.5, None], "b": ["red", mark]}
    assert notes == [f"'a': numbers with {mark!r} as missing"]


@pytest.mark.parametrize("word", ["$ -", "\u221e", "low"])
def test_words_that_are_no_marks_among_numbers(word: str) -> None:
    assert interpret(pa.table({"a": ["1.5", word]}), Reading())[0]["a"].to_pylist() == ["1.5", word]


def test_all_words_among_numbers_are_proposed_as_marks() -> None:
    column = pa.chunked_array([[*map(str, range(9)), "low", "n k", "high"]])
    with pytest.raises(UserError, match=r"--missing 'low,n k,high'"):
        fit_column(column, "a", np.ones(12, bool))


def test_marks_of_the_user() -> None:
    table = pa.table({"a": ["-999", "1.5"], "b": [-999, 2], "c": [float("inf"), 1.0], "d": ["NA", "x"]})
    read, *_ = interpret(table, Reading(all_marks(["-999", "inf"])))
    assert read.to_pydict() == {"a": [None, 1.5], "b": [None, 2], "c": [None, 1.0], "d": [None, "x"]}
    assert interpret(table, Reading(all_marks(["=?"])))[0]["d"].to_pylist() == ["NA", "x"]


def test_marks_that_are_numbers_in_text() -> None:
    read = interpret(pa.table({"a": ["-999.0", "1.5"]}), Reading(all_marks(["-999"]))).table
    assert read["a"].to_pylist() == [None, 1.5]


def test_classes_that_differ_as_words_only_stay_words() -> None:
    table = pa.table({"version": ["1.1", "1.10", "1.2"], "grade": ["1.0", "2.0", "1.0"]})
    read = interpret(table, Reading(kinds=dict.fromkeys(("version", "grade"), "classes"))).table
    assert read["version"].to_pylist() == ["1.1", "1.10", "1.2"] and read["grade"].to_pylist() == [1.0, 2.0, 1.0]


def test_unused_columns_are_not_looked_at() -> None:
    table = pa.table({"a": ["1", "2"], "b": ["1", "2"]})
    read, *_ = interpret(table, Reading(used=frozenset("a")))
    assert read["a"].to_pylist() == [1, 2] and read["b"].to_pylist() == ["1", "2"]


def test_sources_of_different_types_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("code,y\n1,0\nx,1\n")
    pa.parquet.write_table(pa.table({"code": [1, 2], "y": [0, 1]}), tmp_path / "b.parquet")
    table = read_sources([tmp_path / "a.csv", tmp_path / "b.parquet"], [(), ()], ["y"]).table
    assert table["code"].to_pylist() == ["1", "x", "1", "2"]


def test_schemas_of_before_are_read() -> None:
    table = pa.table({"a": [1.0, 3.0], "c": ["NA", "x"], "y": [0, 1]})
    stored = Schema.fit(table, [Task("y")], missing=[""]).to_dict()
    for key in ("temporal", "missing", "renamed"):
        del stored[key]
    stored["numeric"] = [{k: v for k, v in c.items() if k not in ("low", "high", "decimal")} for c in stored["numeric"]]
    old = Schema.from_dict(stored)
    inputs = old.encode_inputs(pa.table({"a": ["1", "NA"], "c": ["NA", "x"]}))
    assert inputs["numeric"].tolist() == [[-1.0], [0.0]]
    assert (inputs["categorical"] > 0).all()  # there, NA was a category


WORDS = st.sampled_from(["1", "-2", "0", "007", "1.5", "-0.25", "1e3", "1,5", "NA", "", "nan", "inf", "5.", "x", "$3"])


@pytest.mark.slow
@given(
    columns=st.lists(st.lists(WORDS, min_size=3, max_size=3), min_size=1, max_size=6), marks=st.sampled_from(["", "1"])
)
@settings(max_examples=100, deadline=None)
def test_columns_read_together_are_those_read_one_by_one(columns: list[list[str]], marks: str) -> None:
    table = pa.table({f"c{k}": cells for k, cells in enumerate(columns)})
    reading = Reading(all_marks([marks]))
    together = interpret(table, reading)
    with mock.patch.object(reading_module, "plain_columns", lambda *_: {}):
        one_by_one = interpret(table, reading)
    assert together[1] == one_by_one[1]
    assert together[0].schema == one_by_one[0].schema
    assert [str(c.to_pylist()) for c in together[0].columns] == [str(c.to_pylist()) for c in one_by_one[0].columns]
