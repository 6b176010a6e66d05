"""A folder of Parquet files."""

import pyarrow as pa
import pyarrow.parquet
import pytest

from polytask.config import make_config
from polytask.data import column_names, read_cells, read_table, table_pieces
from polytask.data.formats import files_of
from polytask.errors import UserError
from polytask.runs.preparation.prepared import fingerprint
from small_table import polytask


def write(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pa.parquet.write_table(pa.table(columns), path)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "t" / "part-1.parquet", a=[3, 4], b=["x", None])
    write(tmp_path / "t" / "part-0.parquet", b=["p", "q"], a=[1.5, 2.0])
    (tmp_path / "t" / "_SUCCESS").touch()
    write(tmp_path / "t" / "_temporary" / "part.parquet", a=[9])
    return tmp_path / "t"


def test_rows_are_in_the_order_of_names_and_types_combine(folder):
    table, notes = read_cells(folder)
    assert sorted(table.column_names) == sorted(column_names(folder)) == ["a", "b"]
    assert table.select(["a", "b"]).to_pydict() == {"a": [1.5, 2.0, 3.0, 4.0], "b": ["p", "q", "x", None]}
    assert notes == ["2 Parquet files"]
    assert [file.name for file in files_of(folder)] == ["part-0.parquet", "part-1.parquet"]


def test_pieces_are_the_table(folder):
    pieces = list(table_pieces(folder, rows=1, columns=["b"]))
    assert [piece.num_rows for piece in pieces] == [1, 1, 1, 1]
    assert pa.concat_tables(pieces).to_pydict() == {"b": ["p", "q", "x", None]}


def test_folders_of_values_are_columns(tmp_path):
    for year in (2023, 2024):
        write(tmp_path / f"year={year}" / "data.parquet", a=[year / 2])
    assert read_table(tmp_path).to_pydict() == {"a": [1011.5, 1012.0], "year": [2023, 2024]}
    assert read_table(tmp_path, columns=["year"]).to_pydict() == {"year": [2023, 2024]}


def test_files_of_no_rows_have_one_piece(tmp_path):
    write(tmp_path / "t.parquet", a=pa.array([], pa.float64()))
    assert [piece.num_rows for piece in table_pieces(tmp_path)] == [0]


def test_files_have_the_same_columns(folder):
    write(folder / "part-2.parquet", a=[1], b=["x"], c=[1])
    with pytest.raises(UserError, match=r"part-2.parquet: has column 'c', which part-0.parquet has not"):
        read_cells(folder)
    write(folder / "part-2.parquet", a=[1])
    with pytest.raises(UserError, match=r"part-2.parquet: column 'b' of part-0.parquet is missing"):
        read_cells(folder)
    write(folder / "part-2.parquet", a=["word"], b=["x"])
    with pytest.raises(UserError, match="types in its files that do not fit"):
        read_cells(folder)
    (folder / "part-2.parquet").write_bytes(b"PAR1" + bytes(40))
    with pytest.raises(UserError, match=r"part-2.parquet: the Parquet file is damaged"):
        read_cells(folder)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"is a directory; name one file ending in"):
        read_cells(tmp_path)


def test_a_folder_is_fitted_predicted_and_known_again(tmp_path):
    for part in range(3):
        x = [(7 * part + i) % 11 for i in range(20)]
        write(tmp_path / "t" / f"{part}.parquet", x=x, sold=["yes" if value > 5 else "no" for value in x])
    run, out = tmp_path / "run", tmp_path / "p.parquet"
    fit = polytask("fit", tmp_path / "t", "--targets", "sold", "--steps", "3", "--out", run, "--networks", "1",
                   "--no-baselines", "--set", "threads=1")  # fmt: skip
    assert fit.exit_code == 0, fit.output
    config = make_config({"data": str(tmp_path / "t"), "targets": ["sold"]})
    before = fingerprint(config)
    predicted = polytask("predict", run, tmp_path / "t", "--out", out)
    assert predicted.exit_code == 0, predicted.output
    assert read_table(out).num_rows == 60
    write(tmp_path / "t" / "3.parquet", x=[1], sold=["no"])
    assert fingerprint(config) != before
    assert polytask("fit", run, "--targets", "sold", "--out", tmp_path / "other").exit_code == 2  # no table
