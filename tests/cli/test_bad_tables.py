"""Every mistake in a table is refused by ``fit`` with exit status 2, one clear message, and nothing written."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from small_table import COLUMNS, TARGETS, Row, assert_refused, changed, fit, polytask, table_rows, write_table

FEW = table_rows(60)


def refused(data: Path, folder: Path, *parts: str, targets: tuple[str, ...] = TARGETS, options: tuple = ()) -> None:
    before = sorted(folder.rglob("*"))
    result = fit(data, folder / "run", *options, targets=targets)
    assert_refused(result, *parts)
    assert sorted(folder.rglob("*")) == before


def test_missing_file_names_the_tables_beside_it(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", FEW)
    refused(tmp_path / "tabel.csv", tmp_path, "tabel.csv: no such file", "table.csv")


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.parquet"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    refused(tmp_path / name, tmp_path, f"{name}: the file is empty", "expected")


def test_table_without_rows(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(",".join(COLUMNS) + "\n")
    refused(tmp_path / "table.csv", tmp_path, "table.csv", "no rows", "at least one row is needed")


NOT_TABLES = {
    "rows of different lengths": ("table.csv", b"a,b\n1,2\n1,2,3\n", "a different number of cells"),
    "a picture": ("table.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(50), "binary data"),
    "parquet named csv": ("table.csv", b"PAR1" + bytes(50), "is a Parquet file by its content"),
    "csv named parquet": ("table.parquet", b"a,b\n1,2\n", "is not a Parquet file"),
    "half a parquet file": ("table.parquet", b"PAR1" + bytes(50), "the Parquet file is damaged"),
    "half a gzip file": ("table.csv.gz", gzip.compress(b"a,b\n1,2\n" * 50)[:-12], "table.csv.gz"),
    "another ending": ("table.ods", b"PK\x03\x04", ".csv, .csv.gz, .tsv"),
    "an error page": ("table.csv", b"<html><body>404</body></html>", "is an HTML or XML page"),
    "names alone": ("table.csv", b"a,b", "column names but no rows"),
}


@pytest.mark.parametrize("what", NOT_TABLES)
def test_not_a_table(tmp_path: Path, what: str) -> None:
    name, content, part = NOT_TABLES[what]
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, tmp_path, name, part)


def test_folder_instead_of_a_table(tmp_path: Path) -> None:
    refused(tmp_path, tmp_path, str(tmp_path), "is a directory")


def test_wrong_encoding_states_where_and_how_to_convert(tmp_path: Path) -> None:
    words = {0: "gr\u00fcn", 3: "D\u00fcne"}  # the first letter beyond ASCII decides that the file is UTF-8
    rows = changed(lambda rows: [rows[k].update(colour=word) for k, word in words.items()])
    path = write_table(tmp_path / "table.csv", rows)
    path.write_bytes(path.read_bytes().replace("D\u00fcne".encode(), b"D\xfcne"))
    refused(path, tmp_path, "table.csv", "(line 5)", "neither UTF-8", "iconv")


def each(column: str, value: Callable[[int], object]) -> Callable[[list[Row]], object]:
    return lambda rows: [row.update({column: value(number)}) for number, row in enumerate(rows)]


def one(column: str, value: object, row: int = 7) -> Callable[[list[Row]], object]:
    return lambda rows: rows[row].update({column: value})


BAD_CELLS = {
    "no labelled row": (each("click", lambda _: ""), ("target 'click'", "no row has a label")),
    "constant target": (each("click", lambda _: "yes"), ("target 'click'", "every label is 'yes'", "leave")),
    "infinite feature": (one("b", "inf"), ("column 'b'", "inf", "row 8")),
    "infinite target": (one("price", "-inf"), ("target 'price'", "inf", "row 8")),
    "mixed feature": (one("b", "few"), ("column 'b'", "mixes numbers", "'few' (row 8)", "--missing few")),
    "mixed target": (one("price", "cheap"), ("target 'price'", "mixes numbers", "'cheap' (row 8)")),
    "empty row id": (one("key", ""), ("row id 'key'", "1 empty cells", "row 8")),
}


@pytest.mark.parametrize("what", BAD_CELLS)
def test_bad_cells(tmp_path: Path, what: str) -> None:
    change, parts = BAD_CELLS[what]
    refused(write_table(tmp_path / "table.csv", changed(change)), tmp_path, "table.csv", *parts)


def test_infinities_in_a_numeric_parquet_column(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    b = [float("inf") if number == 4 else float(number) for number in range(60)]
    table = pa.table({"key": list(range(60)), "b": b, "click": [0, 1] * 30, "rank": [0, 1, 2] * 20})
    pa.parquet.write_table(table, tmp_path / "table.parquet")
    parts = ("column 'b'", "1 infinite values", "row 5")
    refused(tmp_path / "table.parquet", tmp_path, *parts, targets=("click", "rank"))


@pytest.mark.parametrize("role", ["--id", "--group", "--split", "--time", "sample_weight"])
def test_lists_and_bytes_that_say_what_a_row_is(tmp_path: Path, role: str) -> None:
    table = pa.table({"b": [float(row["b"]) for row in FEW], "click": [row["click"] for row in FEW]})
    option = ["--set", "sample_weight=more"] if role == "sample_weight" else [role, "more"]
    for cells in ([["x"]], [b"\xff\xfe"]):
        path = tmp_path / "table.parquet"
        pa.parquet.write_table(table.append_column("more", pa.array(cells * 60)), path)
        result = polytask("fit", path, "--targets", "click", "--out", tmp_path / "run", *option)
        assert_refused(result, "'more': expected a word or a number per cell, found")
        assert not (tmp_path / "run").exists()


def test_doubled_column_names(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.csv", FEW, [*COLUMNS, "b"])
    refused(path, tmp_path, "table.csv", "more than once: 'b'", "rename")


BAD_ROLES = {
    "unknown target": (("klick", "price"), (), ("there is no column 'klick'", "did you mean 'click'?")),
    "doubled target": (("click", "price", "click"), (), ("'click' is listed 2 times",)),
    "empty target name": (("click", "", "price"), (), ("--targets", "an empty one")),
    "target as feature": (("click", "price"), ("--features", "a,click"), ("'click'", "target and as feature")),
    "target as row id": (("key", "click"), (), ("'key'", "target and as row id")),
    "unknown feature": (TARGETS, ("--features", "a,colur"), ("no column 'colur' (feature)", "'colour'")),
    "unknown ignored column": (TARGETS, ("--ignore", "colur"), ("no column 'colur' (ignored)", "'colour'")),
    "no feature left": (TARGETS, ("--ignore", "a,b,c,colour,note,nothing"), ("no feature columns are left",)),
    "unknown split column": (TARGETS, ("--split", "part"), ("'part'", "split")),
    "bounds without a label": (
        ("click", "price"),
        ("--set", "bounds={price: [900, null]}"),
        ("'price': bounds [900, inf]: no label is within",),
    ),
    "weights of 0": (
        ("click", "price"),
        ("--set", "data.sample_weight=nothing"),
        ("sample weight 'nothing'", "every row has the weight 0"),
    ),
    "split column with other words": (TARGETS, ("--split", "colour"), ("split column 'colour'", "expected train")),
}


@pytest.mark.parametrize("what", BAD_ROLES)
def test_bad_roles_of_columns(tmp_path: Path, what: str) -> None:
    targets, options, parts = BAD_ROLES[what]
    path = write_table(tmp_path / "table.csv", [row | {"nothing": 0} for row in FEW])
    refused(path, tmp_path, *parts, targets=targets, options=options)


def test_several_mistakes_in_a_table_are_reported_at_once(tmp_path: Path) -> None:
    def mistakes(rows: list[Row]) -> None:
        each("click", lambda _: "yes")(rows)
        one("price", "cheap")(rows)
        one("key", "")(rows)
        one("b", "few")(rows)

    path = write_table(tmp_path / "table.csv", changed(mistakes))
    refused(path, tmp_path, "4 problems", "every label is 'yes'", "'cheap'", "1 empty cells", "'few'")


def test_affinity_refuses_the_same_mistakes_and_writes_nothing(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.csv", changed(each("click", lambda _: "yes")))
    result = polytask("affinity", path, "--targets", "click,price", "--out", tmp_path / "affinity.json")
    assert_refused(result, "every label is 'yes'")
    assert list(tmp_path.iterdir()) == [path]


def test_affinity_of_a_single_task_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.csv", FEW)
    result = polytask("affinity", path, "--targets", "click", "--out", tmp_path / "affinity.json")
    assert_refused(result, "affinity is between tasks", "at least two")
