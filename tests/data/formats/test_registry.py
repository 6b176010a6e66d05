"""Every format is one file that the rest of the project finds by itself."""

from pathlib import Path

import pyarrow as pa
import pytest

import polytask
from polytask.data.formats import ENDINGS, FORMATS, format_of
from polytask.runs.bundle import write_predictions

ROOT = Path(polytask.__file__).parent.parent.parent


@pytest.mark.parametrize("name", FORMATS)
def test_the_page_on_data_has_a_row_for_every_format(name):
    found = FORMATS[name]
    names = ", ".join(f"`{ending}`" for ending in found.endings) or "a folder"
    assert f"| {names} | {found.about} |" in (ROOT / "docs" / "data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_belongs_to_one_format(ending):
    accepting = [found for found in FORMATS.values() if found.accepts(Path(f"TABLE{ending.upper()}"))]
    assert accepting == [format_of(Path(f"table{ending}"))]


@pytest.mark.parametrize("name", [name for name, found in FORMATS.items() if found.writes])
def test_what_is_written_in_pieces_is_read_again(name, tmp_path):
    table, chosen = pa.table({"a": [1.5, 2.5, 3.5], "b": ["x", "y", "z"]}), FORMATS[name]
    path = tmp_path / f"table{chosen.endings[0]}"
    assert write_predictions(path, [table.slice(0, 2), table.slice(2)]) == 3
    found, _ = chosen.read(path, ["b", "not there"])
    assert found.to_pydict() == {"b": ["x", "y", "z"]} and list(chosen.names(path)) == ["a", "b"]
    assert pa.concat_tables(chosen.pieces(path, 2, ["b"])).to_pydict() == {"b": ["x", "y", "z"]}
    assert chosen.is_small(path, 3, 1000) and not chosen.is_small(path, 2, 10)


@pytest.mark.parametrize(
    ("name", "separator"), [("x.tsv.csv", b","), ("x.csv.tsv", b"\t"), ("x.csv", b","), ("X.TSV", b"\t")]
)
def test_the_ending_of_a_written_file_decides_its_separator(tmp_path, name, separator):
    write_predictions(tmp_path / name, [pa.table({"a": [1.5], "b": [2.5]})])
    assert (tmp_path / name).read_bytes().startswith(b'"a"' + separator + b'"b"')
