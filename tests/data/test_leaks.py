"""Features that give a target away, and ones that only look like it."""

from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.data import Schema, find_leaks
from polytask.data import leaks as leaks_module
from polytask.task import Task

N = 400
GENERATOR = np.random.default_rng(0)
CLICK = GENERATOR.permutation(np.arange(N) % 4 == 0).astype(int)
TOPIC = GENERATOR.choice(["arts", "news", "sport"], N)
PRICE = GENERATOR.normal(size=N)
NOISE = GENERATOR.normal(size=N)
TASKS = [
    Task("click"),
    Task("topic", kind="multiclass", classes=("arts", "news", "sport")),
    Task("price", kind="regression"),
]


def leaks(feature: object) -> list[str]:
    table = pa.table({"f": feature, "noise": NOISE, "click": CLICK, "topic": TOPIC, "price": PRICE})
    return find_leaks(table, Schema.fit(table, TASKS))


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (CLICK, "'f' is a recoding of target 'click'"),
        (np.where(CLICK, 3.5, 8.0), "'f' is a recoding of target 'click'"),
        (np.where(CLICK, "gone", ""), "'f' is a recoding of target 'click'"),
        (CLICK + 0.1 * GENERATOR.random(N), "'f' separates the classes of target 'click' (ROC-AUC 1.00000)"),
        (-CLICK + 0.1 * GENERATOR.random(N), "'f' separates the classes of target 'click' (ROC-AUC 1.00000)"),
        (np.char.upper(TOPIC), "'f' is a recoding of target 'topic'"),
        (np.char.add(TOPIC, (np.arange(N) % 2).astype(str)), "'f' determines target 'topic' in 100.00 % of the rows"),
        (PRICE, "'f' is a linear function of target 'price' (correlation 1.00000)"),
        (5 - 2 * PRICE, "'f' is a linear function of target 'price' (correlation -1.00000)"),
        (np.exp(3 * PRICE), "'f' orders target 'price' (rank correlation 1.00000)"),
    ],
)
def test_leaks_are_found(feature: np.ndarray, message: str) -> None:
    assert leaks(feature) == [f"feature {message}"]


@pytest.mark.parametrize(
    "feature",
    [
        np.arange(N),
        np.array([f"id{i}" for i in range(N)]),
        np.array([f"pair{i // 2}" for i in range(N)]),
        PRICE + 0.2 * NOISE,
        CLICK + NOISE,
        np.where(GENERATOR.random(N) < 0.05, 1 - CLICK, CLICK),
    ],
)
def test_other_features_are_not(feature: np.ndarray) -> None:
    assert leaks(feature) == []


def test_categories_that_determine_a_number() -> None:
    cities = np.array([f"city{i % 20}" for i in range(N)])
    table = pa.table({"city": cities, "rent": np.arange(N) % 20 * 10.0 + 0.01 * NOISE})
    (found,) = find_leaks(table, Schema.fit(table, [Task("rent", kind="regression")]))
    assert found.startswith("feature 'city' determines target 'rent' (explains ")


def test_missing_labels_and_features_are_left_out() -> None:
    hidden = np.where(np.arange(N) % 3 == 0, np.nan, PRICE)
    table = pa.table({"f": hidden, "y": pa.array(PRICE * 3, mask=np.arange(N) % 5 == 0)})
    (found,) = find_leaks(table, Schema.fit(table, [Task("y", kind="regression")]))
    assert "is a linear function of" in found


def test_rare_class_is_no_leak_by_itself() -> None:
    rare = (np.arange(20_000) == 5) | (np.arange(20_000) == 77)
    table = pa.table({"f": np.arange(20_000) % 3, "y": rare.astype(int)})
    assert find_leaks(table, Schema.fit(table, [Task("y")])) == []


def test_large_tables_are_sampled() -> None:
    n = 50_000
    values = np.random.default_rng(0).normal(size=n)
    table = pa.table({"f": values, "y": values * 2})
    assert len(find_leaks(table, Schema.fit(table, [Task("y", kind="regression")]))) == 1


@given(seed=st.integers(0, 10_000), missing=st.floats(0, 0.4))
@settings(max_examples=30, deadline=None)
def test_what_is_found_for_all_pairs_at_once_leaves_out_no_leak(seed: int, missing: float) -> None:
    random = np.random.default_rng(seed)
    base, n = random.standard_normal(400), 400
    noise = 10 ** random.uniform(-6, -1)
    columns = {
        "same": base + noise * random.standard_normal(n),
        "bent": np.exp(3 * base),
        "many": np.where(base > 0, base, 0.0),
        "other": random.standard_normal(n),
    }
    cells = {name: [None if gone else float(v) for v, gone in zip(values, random.random(n) < missing, strict=True)]
             for name, values in columns.items()}  # fmt: skip
    labels = {"price": base.tolist(), "sold": (base > random.uniform(-1.5, 1.5)).astype(int).tolist()}
    table = pa.table(cells | labels)
    schema = Schema.fit(table, [Task("price", kind="regression"), Task("sold")])
    all_pairs = mock.patch.object(leaks_module, "_related", lambda values, targets: np.ones((4, 2), bool))
    with all_pairs:
        every = find_leaks(table, schema)
    assert find_leaks(table, schema) == every
    assert any("'bent'" in line for line in every)
