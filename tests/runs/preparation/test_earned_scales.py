"""Skewed targets are learned on the scale that validation chooses, by their own metric."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from polytask.config import make_config
from polytask.runs.linear import linear_models
from polytask.runs.preparation.prepare import prepare

TARGETS = ["grown", "flat", "chance", "both"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows with targets that are linear on another scale, linear as they are, and of heavy-tailed noise."""
    draw = np.random.default_rng(0)
    x, noise = draw.normal(size=800), draw.normal(size=(3, 800))
    grown = np.exp(1.5 * x + 0.2 * noise[0])  # ranks are those of normal numbers
    table = {"x": x, "grown": grown, "flat": x + noise[1], "chance": np.exp(1.5 * noise[2]), "both": grown}
    table["both"] = np.where(np.arange(800) % 3 == 0, np.nan, grown)
    columns = {name: pa.array(values, from_pandas=True) for name, values in table.items()}
    pq.write_table(pa.table(columns), found := tmp_path_factory.mktemp("scales") / "t.parquet")
    return found


def prepared(path: Path, stored: Path | None = None, **keys: Any) -> Any:
    return prepare(make_config({"data": str(path), "targets": TARGETS, **keys}), stored)


def scales(data: Any) -> dict[str, str]:
    return {task.name: task.transform for task in data.tasks}


def test_a_scale_is_used_where_linear_models_gain_by_it(path: Path) -> None:
    data = prepared(path, transform="auto")
    assert scales(data) == {"grown": "quantile", "flat": "", "chance": "", "both": "quantile"}
    grown, both, others = [note for note in data.notes if "learned" in note]
    assert grown.startswith("'grown'") and "learned on the scale quantile" in grown and "±" in grown
    assert both.startswith("'both'")
    assert others.endswith(": chance")  # the other one is not skewed


def test_scales_are_chosen_unless_they_are_stated(path: Path) -> None:
    assert prepared(path).tasks == prepared(path, transform="auto").tasks
    assert scales(prepared(path, transform="none")) == dict.fromkeys(TARGETS, "")
    assert scales(prepared(path, transform={"both": "log"})) == {
        "grown": "quantile", "flat": "", "chance": "", "both": "log",
    }  # fmt: skip


def test_the_metric_of_a_target_decides(path: Path) -> None:
    assert scales(prepared(path, transform="auto", metric={"chance": "mae"}))["chance"] != ""


def test_the_rows_are_those_of_a_run_that_states_the_scale(path: Path) -> None:
    chosen = prepared(path, transform="auto")
    stated = prepared(path, transform={"grown": "quantile", "both": "quantile"})
    assert chosen.tasks == stated.tasks
    for part, rows in stated.rows.items():
        assert torch.equal(chosen.rows[part].targets, rows.targets)
        assert torch.equal(chosen.rows[part].observed, rows.observed)


def test_a_run_that_continues_keeps_its_scales(path: Path, tmp_path: Path) -> None:
    first = prepared(path, transform="auto")
    first.save(tmp_path / "schema.json", tmp_path / "split.parquet", tmp_path / "encoder")
    assert prepared(path, tmp_path / "split.parquet", transform="auto").tasks == first.tasks
    stored = json.loads((tmp_path / "schema.json").read_text())
    stored["tasks"][0]["transform"] = "log"
    (tmp_path / "schema.json").write_text(json.dumps(stored))
    assert scales(prepared(path, tmp_path / "split.parquet", transform="auto"))["grown"] == "log"


def test_the_scale_stays_where_nothing_can_be_judged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scales(prepared(path, stream=True)) == dict.fromkeys(TARGETS, "")
    monkeypatch.setattr("polytask.runs.preparation.earned_scales.linear_models", lambda *_: ({}, "no linear models"))
    data = prepared(path, transform="auto")
    assert scales(data) == dict.fromkeys(TARGETS, "")
    assert not [note for note in data.notes if "learned" in note]


def test_only_skewed_targets_cost_linear_models(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def watched(parts: Any, part: str, tasks: Any, seed: int) -> Any:
        judged.extend(task.name for task in tasks)
        return linear_models(parts, part, tasks, seed)

    monkeypatch.setattr("polytask.runs.preparation.earned_scales.linear_models", watched)
    prepared(path)
    assert set(judged) == {"grown", "chance", "both"}
