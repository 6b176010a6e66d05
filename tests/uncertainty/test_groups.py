"""Rows that belong together count as one: their errors are those of the groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from polytask.config import make_config
from polytask.data import Rows
from polytask.runs.preparation.prepare import prepare
from polytask.task import METRICS, Task
from polytask.training.evaluation import estimates_of, trivial_estimates
from polytask.uncertainty import estimate


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
