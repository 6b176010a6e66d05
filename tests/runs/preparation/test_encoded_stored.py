"""Texts of a Parquet table that stays in its file, read by a pretrained encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from polytask.config import make_config
from polytask.data import read_table
from polytask.runs.preparation import stored as prepare_stored
from polytask.runs.preparation.prepare import prepare
from small_encoder import text_encoder
from small_table import FAST, assert_refused, polytask, table_rows, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notes of different lengths, in row groups of 64."""
    folder = tmp_path_factory.mktemp("texts")
    rows = table_rows(400)
    for number, row in enumerate(rows):
        row["note"] = ("a good thing" if number % 2 else "a bad thing") + " indeed" * (number // 64)
        row["part"] = ("train", "train", "train", "validation", "test")[number % 5]
    table = read_table(write_table(folder / "table.csv", rows))
    pa.parquet.write_table(table, folder / "table.parquet", row_group_size=64)
    text_encoder(folder / "bert", words=["a", "good", "bad", "thing", "indeed"])
    return folder


def keys(folder: Path, tune: str, **more: object) -> dict:
    encoder = {"name": "hf", "source": str(folder / "bert"), "tune": tune}
    return {"data": str(folder / "table.parquet"), "targets": ["click", "price"], "id": "key", "split": "part",
            "ignore": ["size", "rank"], "column_kind": {"note": "text"}, "encoder": encoder,
            "device": "cpu"} | more  # fmt: skip


@pytest.mark.parametrize("tune", ["frozen", "full"])
@pytest.mark.parametrize("columns", [{"note": "text"}, {"note": "text", "colour": "text"}])
def test_the_rows_are_those_of_a_table_in_memory(folder, monkeypatch, tune, columns):
    monkeypatch.setattr(prepare_stored, "HELD_ROWS", 10)  # validation and test stay in the file, too
    values = keys(folder, tune, column_kind=columns)
    stored, held = (prepare(make_config(values | {"stream": stream})) for stream in (True, False))
    assert ("in every epoch" in "".join(stored.describe())) == (tune == "frozen")
    for part, expected in held.rows.items():
        rows = stored.rows[part]
        ids = torch.randperm(len(rows))[:50]
        found, wanted = rows[ids].inputs, expected[ids].inputs
        assert rows.stored is not None and set(found) == set(wanted)
        for name, values in wanted.items():
            width = values.shape[1]
            torch.testing.assert_close(found[name][:, :width], values, rtol=1e-4, atol=1e-5)
            assert not (found[name][:, width:] > 0).any()  # what is behind the end


@pytest.mark.slow
@pytest.mark.parametrize("tune", ["frozen", "full"])
def test_a_network_learns_from_texts_in_a_file(folder, tmp_path, monkeypatch, tune):
    monkeypatch.setattr(prepare_stored, "HELD_ROWS", 10)
    config = tmp_path / "config.yaml"
    more = {"stream": True, "networks": 1, "baselines": False, "converge": "off", "learning_rate": 0.01}
    config.write_text(json.dumps(keys(folder, tune, ignore=["size", "rank", "a", "b", "c"], **more)))
    result = polytask("fit", config, "--out", tmp_path / "run", *FAST, "--steps", "100")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "run" / "results.json").read_text())["tasks"]["price"]["test"] > 0.3
    predicted = polytask("predict", tmp_path / "run", folder / "table.parquet", "--out", tmp_path / "p.parquet")
    assert predicted.exit_code == 0, predicted.output


def test_a_large_table_stays_in_its_file_only_where_that_costs_little(folder, monkeypatch):
    monkeypatch.setattr(prepare_stored, "MEMORY_SHARE", 1e-9)
    stored = {tune: prepare(make_config(keys(folder, tune))).rows["train"].stored for tune in ("full", "frozen")}
    assert stored["full"] is not None and stored["frozen"] is None


def test_tags_for_every_word_are_not_streamed(folder, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(keys(folder, "full", stream=True, kind={"click": "tags"})))
    refused = polytask("fit", config, "--out", tmp_path / "run")
    assert_refused(refused, "kind of 'click': tags for every word cannot be streamed; `stream: false`")
