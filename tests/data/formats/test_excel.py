"""Excel workbooks."""

import datetime

import openpyxl
import pyarrow as pa
import pytest

from polytask.data import column_names, read_cells, read_table, table_pieces
from polytask.errors import UserError
from small_table import polytask

DAY = datetime.datetime(2024, 1, 31, 10, 30)


def write(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.fixture
def path(tmp_path):
    first = [
        [],
        ["a", " b ", "when", "yes", 2024, None],
        [1, "x", DAY, True, 5],
        [2.5, None, None, None, 6],
        [None, "y"],
    ]
    return write(tmp_path / "t.xlsx", People=first, Other=[["c"], [7], [8]])


def test_cells_keep_their_types(path):
    table, _ = read_cells(path)
    assert table.to_pydict() == {
        "a": [1.0, 2.5, None],
        "b": ["x", None, "y"],
        "when": [DAY, None, None],
        "yes": [True, None, None],
        "2024": [5, 6, None],
    }
    assert table.schema.field("when").type == pa.timestamp("us")
    assert column_names(path) == ["a", "b", "when", "yes", "2024"]


def test_a_sheet_is_named_behind_the_file(path):
    assert read_table(f"{path}#Other").to_pydict() == {"c": [7, 8]}
    assert [piece.num_rows for piece in table_pieces(f"{path}#Other", rows=1)] == [1, 1]


def test_a_column_of_several_types_is_read_as_text(tmp_path):
    path = write(tmp_path / "t.xlsx", A=[["a"], [1], ["n/a"], [2.5], [DAY]])
    assert read_cells(path)[0].to_pydict() == {"a": ["1", "n/a", "2.5", "2024-01-31 10:30:00"]}


def test_titles_blank_rows_and_other_sheets_are_reported(tmp_path):
    rows = [["Sales of March"], [], ["a", "b"], [1, "x"], [], [None, " "], [2, "y"], []]
    table, notes = read_cells(write(tmp_path / "t.xlsx", A=rows, B=[["c"]]))
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", "y"]} and column_names(tmp_path / "t.xlsx") == ["a", "b"]
    assert notes == ["sheet 'A' read; the others are 'B'", "1 row above the column names skipped",
                     "2 rows without any value left out"]  # fmt: skip


def test_a_cover_is_no_table(tmp_path):
    with pytest.raises(UserError, match=r"sheet 'Cover' has no rows .*t.xlsx#Data"):
        read_cells(write(tmp_path / "t.xlsx", Cover=[["Report"]], Data=[["a"], [1]]))


def test_names_without_rows(tmp_path):
    path = write(tmp_path / "t.xlsx", A=[["a", "b"]])
    assert read_cells(path, ["b"])[0].to_pydict() == {"b": []}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("t.xlsx#Poeple", "there is no sheet 'Poeple'; did you mean 'People'"),
        ("empty.xlsx", "the sheet is empty"),
        ("half.xlsx", "the Excel workbook is damaged"),
        ("text.xlsx", "is not an Excel workbook, although its name ends in .xlsx"),
        ("none.xlsx#A", "none.xlsx: no such file; tables in that folder: "),
        ("book.csv", "is an Excel workbook by its content; rename it to end in .xlsx"),
    ],
)
def test_bad_files(path, name, message):
    write(path.with_name("empty.xlsx"), A=[])
    path.with_name("half.xlsx").write_bytes(path.read_bytes()[:200])
    path.with_name("text.xlsx").write_text("a,b\n1,2\n")
    path.with_name("book.csv").write_bytes(path.read_bytes())
    with pytest.raises(UserError, match=message):
        read_cells(path.with_name(name))


def test_a_missing_package_is_named(path, monkeypatch):
    monkeypatch.setattr("polytask.extras.find_spec", lambda package: None)
    with pytest.raises(UserError, match=r"needs openpyxl.*polytask\[excel\]"):
        read_cells(path)


def test_a_sheet_is_fitted_and_predicted(tmp_path):
    rows = [["x", "y", "sold"]] + [[i % 7, i % 5, "yes" if i % 7 > 3 else "no"] for i in range(60)]
    path, run, out = write(tmp_path / "t.xlsx", Data=[["other"]], Sales=rows), tmp_path / "run", tmp_path / "p.csv"
    fit = polytask("fit", f"{path}#Sales", "--targets", "ALL", "--features", "x,y", "--steps", "3", "--out", run,
                   "--networks", "1", "--no-baselines", "--set", "threads=1")  # fmt: skip
    assert fit.exit_code == 0, fit.output
    predicted = polytask("predict", run, f"{path}#Sales", "--out", out)
    assert predicted.exit_code == 0, predicted.output
    assert read_table(out).num_rows == 60
