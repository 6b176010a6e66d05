"""Rows without labels that a student of an ensemble learns from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from polytask.config import make_config
from polytask.data import Rows, SparseRows
from polytask.data.rows import joined
from polytask.runs.candidates import families
from polytask.runs.candidates.augmented import resampled, without_labels
from polytask.runs.candidates.cross_fit import development
from polytask.runs.candidates.ensemble import fit_family
from polytask.runs.candidates.families import ExtraTrees
from polytask.runs.preparation.prepare import prepare
from small_table import TARGETS, table_rows, write_table


def test_columns_are_those_of_two_rows_and_text_stays_that_of_the_first():
    n = 50
    inputs = {
        "numeric": torch.arange(float(n))[:, None].repeat(1, 40),
        "categorical": torch.arange(n, dtype=torch.int32)[:, None].repeat(1, 30),
        "text": SparseRows(torch.arange(n + 1), torch.arange(n), torch.ones(n), n),
    }
    found = resampled(inputs, 400, 0.3, seed=1)
    rows = torch.cat([found["numeric"], found["categorical"].float()], 1)
    assert found["categorical"].dtype == torch.int32 and len(rows) == 400
    first = found["text"].indices
    assert all(len(row.unique()) <= 2 for row in rows)
    assert ((rows == first[:, None]).float().mean() - 0.7).abs() < 0.02  # and 1/50 of the others are equal by chance
    assert len(first.unique()) == n
    again = resampled(inputs, 400, 0.3, seed=1)
    assert torch.equal(again["numeric"], found["numeric"])
    assert not torch.equal(resampled(inputs, 400, 0.3, seed=2)["numeric"], found["numeric"])


def test_nothing_and_everything_is_resampled():
    x = torch.arange(30.0)[:, None].repeat(1, 5)
    for share in (0.0, 1.0):
        assert (resampled(x, 100, share, seed=0).std(1) == 0).all()


@pytest.mark.parametrize("weights", [None, 1, 3])
def test_rows_without_labels_join_those_with(weights):
    targets = torch.zeros(4, 3)
    rows = Rows(torch.zeros(4, 2), targets, None, wide={1: torch.zeros(4, 5)})
    rows = rows if weights is None else rows.with_weights(torch.full((4, weights), 2.0))
    whole = joined([rows, without_labels(torch.ones(6, 2), rows)])
    assert len(whole) == 10 and whole.label_counts().tolist() == [4, 4, 4]
    assert torch.isnan(whole.wide[1][4:]).all() and not torch.isnan(whole.wide[1][:4]).any()
    assert weights is None or whole.weights.shape == (10, weights)


def test_models_that_label_them_have_not_learned_from_rows_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(families, "TREES", 5)
    table = write_table(tmp_path / "t.csv", table_rows(120))
    config = make_config({"data": str(table), "targets": TARGETS, "id": "key", "candidates": ["networks", "trees"],
                          "distill": "best"})  # fmt: skip
    data = prepare(config)
    train, validation = data.rows["train"], data.rows["validation"]
    other = replace(validation, targets=validation.targets.flip(0))
    first, second = (
        fit_family(ExtraTrees(4), development(config, train, rows, 1, apart=True), data.tasks, 0)["model"]
        for rows in (validation, other)
    )
    assert first.keys() == second.keys() and first
    assert all(torch.equal(first[name], second[name]) for name in first)
