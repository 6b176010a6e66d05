"""Rows that count by their class."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.data import Rows
from polytask.data.class_weights import weighted_by_class
from polytask.task import Task

LABELS = st.lists(st.sampled_from([0.0, 1.0, 2.0, float("nan")]), min_size=3, max_size=40)


@given(labels=LABELS)
def test_balanced_classes_count_alike_and_the_mean_weight_is_one(labels: list[float]) -> None:
    task = Task("c", kind="multiclass", classes=("a", "b", "c"), class_weights="balanced")
    targets = torch.tensor(labels)
    rows = weighted_by_class(Rows.from_labels(torch.zeros(len(labels), 1), {"c": targets}, [task]), [task])
    assert rows.weights is not None
    known = ~targets.isnan()
    if not known.any():
        return
    sums = [float(rows.weights[targets == value].sum()) for value in (0, 1, 2) if (targets == value).any()]
    assert sums == pytest.approx([float(known.sum()) / len(sums)] * len(sums), rel=1e-4)


def test_given_weights_multiply_those_of_the_rows() -> None:
    tasks = [Task("a", class_weights=(1.0, 4.0)), Task("b")]
    labels = {"a": torch.tensor([0.0, 1.0]), "b": torch.tensor([1.0, 0.0])}
    rows = Rows.from_labels(torch.zeros(2, 1), labels, tasks).with_weights(torch.tensor([1.0, 0.5]))
    weighted = weighted_by_class(rows, tasks)
    assert weighted.weights is not None and weighted.weights.tolist() == [[1.0, 1.0], [2.0, 0.5]]
    assert weighted_by_class(rows, [Task("a"), Task("b")]) is rows
