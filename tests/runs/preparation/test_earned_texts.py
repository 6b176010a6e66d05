"""Free text beside other columns stays where it helps on validation, and only there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polytask.config import make_config
from polytask.diagnosis.data import idle_text, weak_split
from polytask.records.events import Log
from polytask.records.run import Run
from polytask.runs.preparation.prepare import prepare

LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows whose targets depend on a number and on a word of ``story``; ``title`` is different in each."""
    draw = np.random.default_rng(0)
    rows, x = 600, draw.normal(size=600)
    happy = draw.random(rows) < 0.5
    random = ["".join(draw.choice(LETTERS, 12)) for _ in range(2 * rows)]
    stories = [f"{word} a {'glorious' if good else 'miserable'} day with many other words"
               for word, good in zip(random[:rows], happy, strict=True)]  # fmt: skip
    table = pa.table({"x": x, "title": random[rows:], "story": stories, "up": (x > 0).astype(int),
                      "score": x + 2 * happy + 0.1 * draw.normal(size=rows)})  # fmt: skip
    pq.write_table(table, found := tmp_path_factory.mktemp("texts") / "t.parquet")
    return found


def prepared(path: Path, stored: Path | None = None, **keys: Any) -> Any:
    return prepare(make_config({"data": str(path), "targets": ["up", "score"], **keys}), stored)


def test_text_that_helps_stays_and_text_that_does_not_is_left_out_with_figures(path: Path) -> None:
    data = prepared(path)
    assert [column.name for column in data.schema.text] == ["story"]
    assert [column.name for column in data.schema.dropped] == ["title"]
    assert data.rows["train"].inputs["text"].width == data.schema.text_width == 4096
    (warning,) = (warning for warning in data.warnings if warning.startswith("text "))
    assert "'title'" in warning and "±" in warning and "column_kind.title=text" in warning


def test_a_run_that_continues_has_decided(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepared(path)
    first.save(tmp_path / "schema.json", tmp_path / "split.parquet", tmp_path / "encoder")
    monkeypatch.setattr("polytask.runs.preparation.earned_texts.linear_models", None)  # nothing is fitted again
    assert prepared(path, tmp_path / "split.parquet").schema.text == first.schema.text


@pytest.mark.parametrize(
    ("keys", "texts"),
    [
        ({"column_kind": {"title": "text"}}, ["title", "story"]),
        ({"features": ["x", "title"]}, ["title"]),
        ({"ignore": ["x", "story"]}, ["title"]),
    ],
)
def test_text_stays_that_is_named_or_all_there_is(path: Path, keys: dict[str, Any], texts: list[str]) -> None:
    assert [column.name for column in prepared(path, **keys).schema.text] == texts


def test_a_run_that_goes_on_keeps_its_decision(path: Path, tmp_path: Path) -> None:
    data = prepared(path)
    data.save(tmp_path / "schema.json", tmp_path / "split.parquet", tmp_path / "encoder")
    assert prepared(path, tmp_path / "split.parquet").schema == data.schema


def test_the_doctor_reports_text_that_is_left_out(path: Path) -> None:
    run = Run(path.parent, log=Log(warnings=tuple(prepared(path).warnings)), results={"tasks": {"up": {}}})
    (finding,) = idle_text(run)
    assert "'title'" in finding.evidence and finding.advice == "`--set data.column_kind.title=text` uses it"
    assert not any("'title'" in found.evidence for found in weak_split(run))
