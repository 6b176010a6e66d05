"""Large tables are predicted piece by piece, with the same outcome."""

import resource

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from polytask.data import read_cells, read_table, table, table_pieces
from polytask.errors import UserError
from polytask.runs import use
from small_table import assert_refused, polytask, table_rows, write_table


@pytest.fixture
def new_rows(tmp_path):
    return write_table(tmp_path / "new.csv", table_rows(700, seed=3))


def everything_is_large(monkeypatch):
    for limit in ("SMALL_ROWS", "SMALL_BYTES"):
        monkeypatch.setattr(use, limit, 0)


@pytest.fixture
def streamed(monkeypatch):
    """Every file is large, and a piece has few rows."""
    everything_is_large(monkeypatch)
    defaults = dict(table.table_pieces.__kwdefaults__, rows=100)
    monkeypatch.setattr(table.table_pieces, "__kwdefaults__", defaults)


def predicted(fitted, data, out):
    result = polytask("predict", fitted.run, data, "--out", out)
    assert result.exit_code == 0, result.output
    assert "(700 rows)" in result.output
    return pa.parquet.read_table(out) if out.suffix == ".parquet" else pa.csv.read_csv(out)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("out", ["p.parquet", "p.csv"])
def test_the_same_predictions(fitted, new_rows, tmp_path, ending, out, request):
    if ending == ".parquet":
        pa.parquet.write_table(read_table(new_rows), tmp_path / "new.parquet")
        new_rows = tmp_path / "new.parquet"
    at_once = predicted(fitted, new_rows, tmp_path / f"at_once_{out}")
    request.getfixturevalue("streamed")
    piecewise = predicted(fitted, new_rows, tmp_path / out)
    assert piecewise.column_names == at_once.column_names
    for name in at_once.column_names:
        one, other = at_once[name].to_pylist(), piecewise[name].to_pylist()
        if isinstance(one[0], float):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        else:
            assert one == other


def test_a_fault_far_down_is_named_and_nothing_is_written(fitted, new_rows, tmp_path, streamed):
    lines = [line.partition(",")[2] for line in new_rows.read_text().splitlines()]  # without ids, that would repeat
    lines += lines[1:] * 60  # beyond the block from which Arrow takes the kinds
    lines[-2] = lines[-2].replace(lines[-2].split(",")[1], "abc", 1)
    new_rows.write_text("\n".join(lines) + "\n")
    assert new_rows.stat().st_size > 1 << 20
    result = polytask("predict", fitted.run, new_rows, "--out", tmp_path / "p.parquet")
    assert_refused(result, "new.csv", "abc", "correct or empty such cells")
    assert not list(tmp_path.glob("*p.parquet*"))


def test_whole_numbers_first_and_fractions_later(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,x\n" * 400_000 + "1.5,y\n")
    pieces = list(table_pieces(path))
    assert {part["a"].type for part in pieces} == {pa.string()}  # the schema says what they are, not the first rows
    assert pieces[-1]["a"].to_pylist()[-1] == "1.5"


def test_pieces_are_the_table(new_rows):
    whole = read_cells(new_rows)[0]
    pieces = list(table_pieces(new_rows, rows=64))
    assert pa.concat_tables(pieces).equals(whole)


def test_a_table_without_rows_is_one_piece(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n")
    assert [piece.num_rows for piece in table_pieces(path)] == [0]


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        next(table_pieces(tmp_path / "t.csv"))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(fitted, tmp_path, monkeypatch):
    rows = read_table(write_table(tmp_path / "part.csv", table_rows(5000, seed=4))).drop_columns("key")
    schema = rows.schema

    def peak(copies):
        path = tmp_path / f"{copies}.parquet"
        with pa.parquet.ParquetWriter(path, schema) as writer:
            for _ in range(copies):
                writer.write_table(rows)
        assert polytask("predict", fitted.run, path, "--out", tmp_path / "p.parquet").exit_code == 0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    everything_is_large(monkeypatch)
    before = peak(15)
    assert peak(90) - before < 150e6
