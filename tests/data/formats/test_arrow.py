"""Arrow and Feather files."""

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from polytask.data import column_names, read_cells, read_table, table_pieces
from polytask.errors import UserError

TABLE = pa.table({"a": [1, 2, None], " b ": ["x", None, "y"], "c": [[1, 2], [], None]})


@pytest.fixture
def path(tmp_path):
    pyarrow.feather.write_feather(TABLE, tmp_path / "t.feather")
    return tmp_path / "t.feather"


def test_cells_keep_their_types(path):
    table, notes = read_cells(path)
    assert table.equals(TABLE.rename_columns(["a", "b", "c"])) and notes == []
    assert column_names(path) == ["a", "b", "c"]
    assert read_table(path, columns=["b"]).to_pydict() == {"b": ["x", None, "y"]}


def test_views_and_runs_are_read_as_plain_columns(tmp_path):
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int32()), pa.array([1.5, 2.5]))
    views = pa.array(["a", None, "b"], pa.string_view())
    pyarrow.feather.write_feather(
        pa.table({"words": views, "runs": runs}), tmp_path / "t.feather", compression="uncompressed"
    )
    assert read_table(tmp_path / "t.feather").to_pydict() == {"words": ["a", None, "b"], "runs": [1.5, 2.5, 2.5]}


def test_pieces_are_the_table_in_order(tmp_path):
    table = pa.table({"a": np.arange(10), "b": np.arange(10) % 2})
    pyarrow.feather.write_feather(table, tmp_path / "t.arrow", chunksize=4)
    found = list(table_pieces(tmp_path / "t.arrow", rows=3, columns=["a"]))
    assert max(piece.num_rows for piece in found) == 3
    assert pa.concat_tables(found).equals(table.select(["a"]))


def test_a_file_of_no_rows_has_one_piece(tmp_path):
    pyarrow.feather.write_feather(TABLE.slice(0, 0), tmp_path / "t.arrow")
    assert [piece.column_names for piece in table_pieces(tmp_path / "t.arrow", columns=["a"])] == [["a"]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.arrow", b"ARROW1" + bytes(60), "the Arrow file is damaged"),
        ("t.arrow", b"a,b\n1,2\n", "is not an Arrow file, although its name ends in .arrow"),
        ("t.csv", b"ARROW1" + bytes(60), "is an Arrow file by its content; rename it to end in .arrow"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_cells(tmp_path / name)
