"""Rows that belong together, by a group or as neighbours in time, count as one in standard errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from polytask.config import make_config
from polytask.data import Rows
from polytask.data.split_groups import time_blocks
from polytask.runs import fit_run
from polytask.runs.bundle import Bundle
from polytask.runs.preparation.prepare import prepare
from polytask.runs.use import labelled_rows
from polytask.task import METRICS, Task
from polytask.training.evaluation import estimates_of, trivial_estimates
from polytask.uncertainty import estimate, estimate_of_rows


@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "log_loss", "brier"])
def test_copies_of_a_row_add_nothing(name: str) -> None:
    draw = torch.Generator().manual_seed(0)
    y = (torch.rand(400, generator=draw) < 0.4).float()
    p = (0.3 * y + 0.7 * torch.rand(400, generator=draw)).clamp(0.01, 0.99)
    once = estimate(METRICS[name], p, y)
    copies, numbers = (torch.repeat_interleave(values, 9) for values in (p, torch.arange(400)))
    wrong = estimate(METRICS[name], copies, y.repeat_interleave(9))
    right = estimate(METRICS[name], copies, y.repeat_interleave(9), numbers)
    assert right.value == pytest.approx(once.value) and wrong.error < once.error / 2
    assert right.error == pytest.approx(once.error, rel=0.15) and right.counted <= 400


def test_estimates_of_rows_know_their_groups() -> None:
    draw = torch.Generator().manual_seed(1)
    y = torch.randn(200, 1, generator=draw).repeat_interleave(5, 0)
    rows = Rows(torch.zeros(1000, 1), y, None, groups=torch.arange(200).repeat_interleave(5))
    task, output = Task("a", kind="regression"), 0.5 * y[:, 0]
    known = (rows, rows.subset(torch.arange(1000)), Rows(rows.inputs, y, None))
    errors = [estimates_of([task], [output], own)["a"].error for own in known]
    assert errors[0] == errors[1] > 1.7 * errors[2]
    assert trivial_estimates([task], rows)["a"][0].counted == 200


def test_a_run_by_groups_has_them_in_all_parts(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    patient = np.repeat(np.arange(60), 5)
    frame = pd.DataFrame({"x": draw.normal(size=300), "y": draw.normal(size=300), "patient": patient})
    frame.to_csv(tmp_path / "t.csv", index=False)
    given = {"data": str(tmp_path / "t.csv"), "targets": ["y"], "group": "patient"}
    data = prepare(make_config(given, "test"))
    groups = [rows.groups for rows in data.rows.values()]
    assert all(own is not None and len(own) == len(rows) for own, rows in zip(groups, data.rows.values(), strict=True))
    seen = [set(own.tolist()) for own in groups if own is not None]
    assert sum(map(len, seen)) == 60 and not set.intersection(*seen)
    plain = prepare(make_config({**given, "group": None, "ignore": ["patient"]}, "test"))
    assert plain.rows["train"].groups is None


@pytest.mark.parametrize("memory", [0.0, 0.8, 0.9])
def test_an_error_in_time_is_that_of_repeated_series(memory: float) -> None:
    """Each value is ``memory`` times the one before, and noise: means of series vary as the error of one states."""
    draw = np.random.default_rng(0)
    noise, values = draw.normal(size=(200, 1600)), np.zeros((200, 1600))
    for step in range(1, 1600):
        values[:, step] = memory * values[:, step - 1] + noise[:, step]
    blocks = torch.from_numpy(time_blocks(np.arange(1600.0), 1600))
    stated, alone = (
        np.mean([estimate_of_rows(torch.from_numpy(one), ids).error for one in values]) for ids in (blocks, None)
    )
    found = values.mean(1).std()
    assert 0.75 * found < stated < 1.1 * found
    assert alone == pytest.approx(found * ((1 - memory) / (1 + memory)) ** 0.5, rel=0.15)


def test_blocks_hold_whole_moments_in_any_order() -> None:
    when = np.random.default_rng(0).integers(0, 300, 1000).astype(float)
    blocks = time_blocks(when, 1000)
    assert (blocks == time_blocks(np.sort(when), 1000)[np.argsort(np.argsort(when, kind="stable"))]).all()
    assert len({(moment, block) for moment, block in zip(when, blocks, strict=True)}) == len(np.unique(when))
    assert len(np.unique(blocks)) >= 20 and np.bincount(blocks).max() <= 32 + np.bincount(when.astype(int)).max()


@pytest.mark.parametrize("rows", [0, 1, 3, 19, 40, 150])
def test_few_rows_in_time_are_not_fewer_blocks_than_they_can_be(rows: int) -> None:
    assert len(np.unique(time_blocks(np.arange(float(rows)), rows))) >= min(rows, 20)


def in_time(folder: Path) -> pd.DataFrame:
    """A table in any order whose labels come in spells of ten days; dates have the day first."""
    draw = np.random.default_rng(0)
    day = draw.permutation(1200)
    spell = draw.normal(size=120)[day // 10]
    frame = pd.DataFrame({
        "x": draw.normal(size=1200),
        "y": spell + 0.1 * draw.normal(size=1200),
        "day": (pd.Timestamp("2021-01-01") + pd.to_timedelta(day, unit="D")).strftime("%d/%m/%Y"),
    })  # fmt: skip
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet", row_group_size=300)
    return frame


@pytest.mark.parametrize("table", ["t.csv", "t.parquet"])
def test_a_split_in_time_has_errors_by_blocks(tmp_path: Path, table: str) -> None:
    in_time(tmp_path)
    keys = {"data": str(tmp_path / table), "targets": ["y"], "stream": table == "t.parquet"}
    errors = {}
    for key, more in (("time", {"time": "day"}), ("drawn", {"ignore": ["day"]})):
        data = prepare(make_config(keys | more))
        errors[key] = trivial_estimates(
            [Task("y", "regression", metric="mae")], data.rows["validation"]
        )["y"][0].error  # fmt: skip
    assert errors["time"] > 2 * errors["drawn"]


def test_a_run_in_time_evaluates_by_blocks(tmp_path: Path) -> None:
    frame = in_time(tmp_path)
    config = make_config(
        {"data": str(tmp_path / "t.csv"), "targets": ["y"], "time": "day", "preset": "fast", "steps": 2}
    )
    fit_run(config, tmp_path / "run")
    bundle = Bundle.load(tmp_path / "run")
    later = frame[["x", "y"]].assign(day="05/06/2025")[:9]  # alone the order of day and month is not clear
    for rows, blocks in ((frame, 35), (later, 1), (later.drop(columns="day"), None)):
        table = pa.Table.from_pandas(rows, preserve_index=False)
        groups = labelled_rows(bundle, table, where="later")[0].groups
        assert (groups if groups is None else len(groups.unique())) == blocks


def test_rows_of_a_file_keep_their_groups(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"x": draw.normal(size=300), "y": draw.normal(size=300), "patient": np.arange(300) // 5})
    frame[:200].to_csv(tmp_path / "t.csv", index=False)
    frame[200:].to_csv(tmp_path / "v.csv", index=False)
    keys = {"data": str(tmp_path / "t.csv"), "validation": str(tmp_path / "v.csv"), "targets": ["y"]}
    data = prepare(make_config(keys | {"group": "patient"}))
    groups = data.rows["validation"].groups
    assert groups is not None and groups.tolist() == (np.arange(100) // 5).tolist()
