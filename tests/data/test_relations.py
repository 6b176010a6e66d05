"""Targets that follow from other columns are found, whatever their units, and no others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from polytask.data import Schema
from polytask.data.relations import find_relations
from polytask.task import Task

DRAW = np.random.default_rng(0)
A, B, C, X, Z = DRAW.normal(size=(5, 400)) * np.array([[1], [30], [0.2], [1], [5]]) + 7


def found(features: dict[str, np.ndarray] | None = None, **targets: np.ndarray) -> list[str]:
    table = pa.table({**targets, **(features or {"x": X})})
    kinds = {name: "regression" if np.issubdtype(values.dtype, np.floating) else "binary"
             for name, values in targets.items()}  # fmt: skip
    return find_relations(table, Schema.fit(table, [Task(name, kind=kind) for name, kind in kinds.items()]))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (A + B, "target 't' is the sum of targets 'a' and 'b'"),
        (A + B + C, "target 't' is the sum of targets 'a', 'b' and 'c'"),
        (2 * A - 3 * B, "target 't' is a linear combination of targets 'a' and 'b' (times 2, -3)"),
        (A.copy(), "target 't' is a copy of target 'a'"),
        (60 * B + 3, "target 't' is a copy of target 'b' in another unit (times 60)"),
    ],
)
def test_what_follows_from_other_targets_is_named(values: np.ndarray, words: str) -> None:
    assert found(a=A, b=B, c=C, t=values) == [words]


def test_features_alone_or_beside_targets() -> None:
    features = {"x": X, "z": Z}
    assert found(features, a=A, t=X + Z) == ["target 't' is the sum of features 'x' and 'z'"]
    assert found(features, a=A, t=X + A) == ["target 't' is the sum of target 'a' and feature 'x'"]
    assert found(features, a=A, t=3 * X) == [], "a single feature is a leak, which is found elsewhere"


def test_nothing_is_reported_of_targets_that_are_only_close() -> None:
    assert found(a=A, b=B, t=A + 0.01 * DRAW.normal(size=400)) == []
    assert found(a=A, b=B, c=C) == []


def test_classes_that_are_the_same_under_other_names() -> None:
    click = (A > 7).astype(int)
    assert found(click=click, bought=1 - click, b=B) == ["target 'bought' is a copy or recoding of target 'click'"]
    assert found(click=click, count=click + (B > 7).astype(float), buy=(B > 7).astype(int)) == [
        "target 'count' is the sum of targets 'click' and 'buy'"
    ]


def test_missing_labels_leave_out_what_cannot_be_compared() -> None:
    few = np.where(np.arange(400) % 2, A, np.nan)
    assert found(a=few, b=B, t=few + B) == []
    some = np.where(np.arange(400) % 40, A, np.nan)
    assert found(a=some, b=B, t=some + B) == ["target 't' is the sum of targets 'a' and 'b'"]


def test_of_wide_tables_only_the_targets_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.data.relations.MOST_FEATURES", 1)
    assert found({"x": X, "z": Z}, a=A, b=B, t=A + B) == ["target 't' is the sum of targets 'a' and 'b'"]
    assert found({"x": X, "z": Z}, a=A, t=X + Z) == []
