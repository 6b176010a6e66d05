"""A JSON object per line."""

import pytest

from polytask.data import column_names, read_cells, read_table, table_pieces
from polytask.errors import UserError

LINES = """{"a": 1, "b": "x", "tags": ["p", "q"], "yes": true}
{"b": "  ", "a": 2.5, "tags": [], "yes": null}

{"a": null, "b": "y", "late": "2024-01-31"}
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "t.jsonl").write_text(LINES)
    return tmp_path / "t.jsonl"


def test_values_keep_their_types_and_absent_keys_are_missing(path):
    table, notes = read_cells(path)
    assert table.to_pydict() == {
        "a": [1.0, 2.5, None],
        "b": ["x", "  ", "y"],
        "tags": [["p", "q"], [], None],
        "yes": [True, None, None],
        "late": [None, None, "2024-01-31"],
    }
    assert notes == [] and column_names(path) == ["a", "b", "tags", "yes", "late"]


def test_some_columns_and_pieces(path):
    assert read_table(path, columns=["a"]).to_pydict() == {"a": [1.0, 2.5, None]}
    assert [piece.num_rows for piece in table_pieces(path, rows=2, columns=["b"])] == [2, 1]
    assert read_cells(path, [])[0].num_columns == 0


def test_a_column_of_several_types_is_read_as_text(tmp_path):
    (tmp_path / "t.ndjson").write_text('{"a": 1}\n{"a": "n/a"}\n{"a": "2"}\n{"a": true}\n')
    assert read_cells(tmp_path / "t.ndjson")[0].to_pydict() == {"a": ["1", "n/a", "2", "true"]}


def test_whole_numbers_beyond_64_bits_are_text(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 123456789012345678901234567890}\n{"a": 1}\n')
    assert read_cells(tmp_path / "t.jsonl")[0].to_pydict() == {"a": ["123456789012345678901234567890", "1"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', "line 2 is no JSON object"),
        (b'{"a": 1}\n[1, 2]\n', "line 2 is no JSON object .expected an object, found list"),
        (b'[{"a": 1},\n {"a": 2}]\n', "line 1 is no JSON object"),
        (b'{"a": {"b": 1}}\n', "column 'a': holds objects"),
        (b'{"a": "\\ud800"}\n', "half a character"),
        (b"\n\n", "holds no row"),
        (b'{"a": "\xe9"}\n', "is not UTF-8"),
        (b'{"a": 1, "a ": 2}\n', "column names appear more than once: 'a'"),
    ],
)
def test_bad_files(tmp_path, content, message):
    (tmp_path / "t.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_cells(tmp_path / "t.jsonl")
