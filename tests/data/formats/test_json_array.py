"""An array of JSON objects."""

import json

import pytest

from polytask.data import column_names, read_cells
from polytask.errors import UserError

ROWS = [{"a": 1, "b": "x"}, {"a": 2.5, "b": None}, {"b": "y", "late": True}]


@pytest.mark.parametrize("text", [json.dumps(ROWS), json.dumps(ROWS, indent=2), "\n".join(map(json.dumps, ROWS))])
def test_an_array_or_lines(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    table, _ = read_cells(tmp_path / "t.json")
    assert table.to_pydict() == {"a": [1.0, 2.5, None], "b": ["x", None, "y"], "late": [None, None, True]}
    assert column_names(tmp_path / "t.json") == ["a", "b", "late"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"a": 1}, 2]', r"expected an array of objects.*item 2 is int"),
        (b'{"a":\n {"0": 1}}', r"expected an array of objects.*found dict.*orient"),
        (b'{"a": {"0": 1}, "b": {"0": 2}}', r"expected an array of objects.*found dict.*orient"),
        (b"7", "found int"),
        (b"[]", "holds no row"),
        (b'[{"a": 1}', "is no JSON"),
        (b"", "the file is empty"),
        (b'[{"a": "\xe9"}]', "is not UTF-8"),
    ],
)
def test_bad_files(tmp_path, content, message):
    (tmp_path / "t.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_cells(tmp_path / "t.json")
