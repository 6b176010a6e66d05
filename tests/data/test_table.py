"""Reading files: what is read, and the message for every kind of bad file."""

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polytask.data import column_names, read_cells, read_table, require_rows, table_pieces
from polytask.errors import UserError


def write(folder: Path, content: bytes | str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_types_and_missing_cells(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,c,d\n1,x,1.5,true\n,,nan,\n3,NA,null,false\n")
    table = read_table(path)
    assert table["a"].to_pylist() == [1, None, 3]
    assert table["b"].to_pylist() == ["x", None, None]  # NA is a mark of missing values
    assert table["c"].to_pylist() == [1.5, None, None]
    assert table["d"].to_pylist() == [True, None, False]


def test_gzip_parquet_and_csv_hold_the_same(tmp_path: Path) -> None:
    text = "a,b\n1,x\n2,y\n"
    plain = read_table(write(tmp_path, text))
    packed = read_table(write(tmp_path, gzip.compress(text.encode()), "table.csv.gz"))
    pq.write_table(plain, tmp_path / "table.parquet")
    assert plain.equals(packed)
    assert plain.equals(read_table(tmp_path / "table.parquet"))


def test_line_breaks_in_quotes_and_byte_order_mark(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, b'\xef\xbb\xbftext, n\n"two\nlines, one comma",1\n'))
    assert table.to_pydict() == {"text": ["two\nlines, one comma"], "n": [1]}


def test_columns_can_be_read_as_words(tmp_path: Path) -> None:
    path = write(tmp_path, "code,n\n11,1\n12,2\n")
    assert read_table(path)["code"].to_pylist() == [11, 12]
    assert read_table(path, text=["code"])["code"].to_pylist() == ["11", "12"]


def test_whole_numbers_that_are_names_stay_words(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "zip,big,n\n01234,9007199254740993,0\n99999,18446744073709551001,10\n"))
    assert table["zip"].to_pylist() == ["01234", "99999"]
    assert table["big"].to_pylist() == ["9007199254740993", "18446744073709551001"]
    assert table["n"].to_pylist() == [0, 10]


@pytest.mark.parametrize(
    ("text", "unusual"),
    [
        ("a;b\n1,5;x\n2,5;y\n", "cells are separated by semicolons"),
        ("a\tb\n1.5\tx\n2.5\ty\n", "cells are separated by tabs"),
        ("sep=;\na;b\n1,5;x\n2,5;y\n", "1 line above the column names skipped"),
        ('"a" "b"\n1.5 "x"\n2.5 "y"\n', "cells are separated by blanks"),
        ("# made, by, R\na,b\n1.5,x\n2.5,y\n", "1 line above the column names skipped"),
        ("Report of March\n\na,b\n1.5,x\n2.5,y\n", "2 lines above the column names skipped"),
    ],
)
def test_dialects_are_found_and_reported(tmp_path: Path, text: str, unusual: str) -> None:
    path = write(tmp_path, text)
    assert unusual in read_cells(path)[1]
    assert read_table(path).to_pydict() == {"a": [1.5, 2.5], "b": ["x", "y"]}


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_windows_1252_is_read_and_reported(tmp_path: Path, name: str) -> None:
    text = "größe;preis\n" + "7;1,5\n" * 300_000 + "8;2 €\n"
    cells = text.encode("cp1252")
    path = write(tmp_path, gzip.compress(cells) if name.endswith(".gz") else cells, name)
    table, notes = read_cells(path)
    assert table["preis"][-1].as_py() == "2 €" and any("Windows-1252" in note for note in notes)
    assert column_names(path) == ["größe", "preis"]
    pieces = list(table_pieces(path, rows=100_000))
    assert len(pieces) > 1 and pa.concat_tables(pieces) == table


@pytest.mark.parametrize("letter", ["é", "€", "𝄞"])
def test_letters_beyond_ascii_are_read(tmp_path: Path, letter: str) -> None:
    """Also at the border of the blocks that are looked at."""
    for size in (*range(65_533, 65_538), 10):
        text = "a" * size + f"\n{letter}\n"
        assert read_table(write(tmp_path, text.encode()))[0].to_pylist() == [letter]


def test_windows_1252_whose_first_letters_fit_utf_8(tmp_path: Path) -> None:
    words = ["Ã©", "Müller", "naïve"]
    path = write(tmp_path, ("name\n" + "\n".join(words) + "\n").encode("cp1252"))
    assert read_table(path)["name"].to_pylist() == words


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_damaged_letter_of_utf_8_is_refused_wherever_it_is(tmp_path: Path, place: int) -> None:
    words = ["é".encode(), "ü".encode()]
    words.insert(place, b"\xff")
    with pytest.raises(UserError, match="0xff"):
        read_table(write(tmp_path, b"name\n" + b"\n".join(words) + b"\n"))


@pytest.mark.parametrize(
    ("text", "rows", "left_out"),
    [
        ("a,b\n1,x\n,\n2,\n,\n,\n", 3, "2 rows without any value"),
        ("a;b\r\n1;x\r\n;\r\n", 1, "1 row without any value"),
        ("a\tb\n1\tx\n\t\n\n", 1, "1 row without any value"),
        ("a,b\n1,x\n,;\n,;\n", 3, ""),  # the empty set of labels
        ("a,b\n1,x\n2,\n", 2, ""),
        ("a,b\n1,x\n2,", 2, ""),
        ("a,b\n1,x\n" + ",\n" * 300_000, 1, "300,000 rows without any value"),
    ],
)
@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_rows_without_any_value_at_the_end(tmp_path: Path, text: str, rows: int, left_out: str, name: str) -> None:
    """Excel writes them for cleared cells. Between others they stay: predictions have a row for each."""
    path = write(tmp_path, gzip.compress(text.encode()) if name.endswith(".gz") else text, name)
    table, notes = read_cells(path)
    assert table.num_rows == rows and table["a"][0].as_py() == "1"
    assert any(note.startswith(left_out) for note in notes if "without" in note) == bool(left_out)
    assert read_cells(path, ["b"])[0].num_rows == rows
    for size in (1, 1000):
        assert pa.concat_tables(table_pieces(path, rows=size)) == table


def test_row_names_of_r_and_separators_at_the_ends(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, 'a,b\n"1",2,3\n"2",4,5\n')).column_names == ["", "a", "b"]
    assert read_table(write(tmp_path, "a,b\n2,3,\n4,5,\n"))["a"].to_pylist() == [2, 4]
    assert read_table(write(tmp_path, '"a" "b c"\n"1" 2 "x y"\n"2" 4 "z"\n'))["b c"].to_pylist() == ["x y", "z"]
    assert read_table(write(tmp_path, '"full name"\nAnna Bell\nJohn Smith\n')).column_names == ["full name"]


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, b"a,b\n1,\xc3\xa9\xff\n")
    assert read_table(path, columns=["a", "absent"]).to_pydict() == {"a": [1]}
    assert column_names(path) == ["a", "b"]


def test_rows_above_a_mebibyte(tmp_path: Path) -> None:
    long = "word " * 400_000
    assert read_table(write(tmp_path, f"a,b\n1,x\n2,{long}\n"))["b"].to_pylist() == ["x", long.strip()]


def test_mixed_column_is_words_even_if_the_word_comes_late(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b\n" + "1,2\n" * 300_000 + "x,2\n"))
    assert pa.types.is_string(table["a"].type)
    assert pa.types.is_integer(table["b"].type)


def _zip(name: str) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr(name, "a,b\n1,2\n")
    return found.getvalue()


def test_odd_quotes_in_cells_are_signs(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, 'a,b\n1,5"\n2,"x, y"\n')).to_pydict() == {"a": [1, 2], "b": ['5"', "x, y"]}


def test_one_named_column_behind_an_index(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, ",x\n0,1\n1,2\n")).to_pydict() == {"": [0, 1], "x": [1, 2]}


def test_of_columns_without_a_name_one_stays(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "a,b,,\n1,2,3,4\n5,6,7,8\n")).to_pydict() == {
        "a": [1, 5],
        "b": [2, 6],
        "": [3, 7],
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.csv", b"", "the file is empty"),
        ("table.csv", b"\n\n\n", "the file is empty"),
        ("table.ods", b"PK", "unknown kind of file; expected a name ending in .*.csv, .csv.gz.*.parquet"),
        ("table.csv", b"a,b\n1,\xc3\xa9\n3,\xe9\n", r"neither UTF-8 .*: byte 12 \(line 3\) is 0xe9.*iconv"),
        ("table.csv", b"a,\xc3\xa9\xe9\n1,2\n", r"neither UTF-8 .*: byte 5 \(line 1\)"),
        ("table.csv", "a,b\n1,2\n3\n".encode("utf-16"), r"Expected 2 columns, got 1"),
        ("table.csv", "a,b\n1,2\n3,4\n".encode("utf-16")[:-1], "utf-16"),
        ("table.csv", b"PK\x03\x04\x00\x00", "is an Excel workbook by its content"),
        ("table.csv", b"\x7fELF\x00\x00", "holds binary data"),
        ("table.csv", bytes(range(128, 256)) * 4, "nor Windows-1252"),
        ("table.csv", b"a,b\n1,2\n3\n", r"Row #3: Expected 2 columns, got 1: 3; correct that line"),
        ("table.csv", b"a,b,a\n1,2,3\n", "column names appear more than once: 'a'"),
        ("table.csv", b'a,b\n1,2\n3,"x\n5,6\n7,8\n', "a quote in line 3 is never closed"),
        ("table.csv", b'[\n {"a": 1}]', "is JSON by its content; rename it to end in .json"),
        ("table.csv", b'{"a": 1}\n{"a": 2}', "is JSON by its content"),
        ("table.csv", _zip("a.csv"), "is a zip archive, not a table; unpack it"),
        ("table.xlsx", _zip("a.csv"), "is a zip archive, not a table; unpack it"),
        ("table.csv", b"a,b", "column names but no rows"),
        ("table.csv", b"<!DOCTYPE html><html></html>", "is an HTML or XML page"),
        ("table.csv", gzip.compress(b"a\n1\n", mtime=0), "is a gzip file by its content; rename it to end in .csv.gz"),
        ("table.csv.gz", b"a,b\n1,2\n", "is not a gzip file, although"),
        ("table.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 5000, mtime=0)[:-20], "the gzip file is damaged"),
        ("table.parquet", b"a,b\n1,2\n", "is not a Parquet file, although"),
        ("table.parquet", b"PAR1 and then nothing", "the Parquet file is damaged"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = write(tmp_path, content, name)
    with pytest.raises(UserError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_wrong_encoding_inside_gzip(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(b"a\n\xe9\x81\n"), "table.csv.gz")
    with pytest.raises(UserError, match=r"byte 3 \(line 2\)"):
        read_table(path)


def test_missing_file_names_tables_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "a\n1\n", "sales.csv")
    with pytest.raises(UserError, match=r"no such file; tables in that folder: sales\.csv"):
        read_table(tmp_path / "sale.csv")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a directory"):
        read_table(tmp_path)


def test_truncated_parquet(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserError, match="the Parquet file is damaged"):
        read_table(path)


def test_header_without_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n")
    table = read_table(path)
    assert table.column_names == ["a", "b"]
    with pytest.raises(UserError, match="no rows"):
        require_rows(table, path)


def test_pieces_that_were_read_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    numbers = np.random.default_rng(0).random(200_000)
    pq.write_table(pa.table({"a": numbers, "b": numbers[::-1]}), path, row_group_size=5_000)
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in table_pieces(path, rows=5_000)]
    assert len(held) == 40 and max(held) < 10 * 5_000 * 16
