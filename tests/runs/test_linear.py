"""Linear models beside the networks: right on planted relations, cheap, and skipped with a note."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from polytask.data import Rows, SparseRows
from polytask.runs import linear
from polytask.runs.linear import linear_models
from polytask.task import Task

TASKS = (
    Task("yes"),
    Task("number", kind="regression"),
    Task("topic", kind="multiclass", classes=("a", "b", "c", "unseen")),
    Task("labels", kind="multilabel", classes=("x", "y")),
)


def rows(n: int, seed: int) -> Rows:
    draw = torch.Generator().manual_seed(seed)
    numbers, codes = torch.randn(n, 3, generator=draw), torch.randint(0, 4, (n, 1), generator=draw)
    words = SparseRows(torch.arange(n + 1), torch.randint(0, 50, (n,), generator=draw), torch.ones(n), 50)
    labels: dict[str, Tensor] = {
        "yes": (numbers[:, 0] + 0.3 * torch.randn(n, generator=draw) > 0).float(),
        "number": 2 * numbers[:, 1] + (codes[:, 0] == 2) + 0.1 * torch.randn(n, generator=draw),
        "topic": (words.indices >= 25).float() + (codes[:, 0] == 1),
        "labels": torch.zeros(n, 2),
    }
    labels["yes"][::5] = torch.nan
    return Rows.from_labels({"numeric": numbers, "categorical": codes.int(), "text": words}, labels, TASKS)


@pytest.fixture(scope="module")
def parts() -> dict[str, Rows]:
    return {
        part: rows(n, seed) for seed, (part, n) in enumerate({"train": 900, "validation": 200, "test": 300}.items())
    }


def test_what_is_linear_in_numbers_categories_and_texts_is_found(parts: dict[str, Rows]) -> None:
    found, note = linear_models(parts, "test", TASKS)
    assert set(found) == {"yes", "number", "topic"} and note == ""
    assert {name: found[name]["test"].value > level for name, level in
            (("yes", 0.95), ("number", 0.97), ("topic", 0.95))} == dict.fromkeys(found, True)  # fmt: skip
    assert all(0 < entry["test"].error < 0.05 for entry in found.values())


def test_rows_are_drawn_so_that_it_takes_seconds(parts: dict[str, Rows], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "MOST_NUMBERS", 600 * 5 * 5 * len(linear.STRENGTHS))
    found, note = linear_models(parts, "test", TASKS)
    assert "linear models of 600 of 900 training rows" in note and len(found) == 3
    again, _ = linear_models(parts, "test", TASKS)
    assert again["yes"]["test"] == found["yes"]["test"]
    monkeypatch.setattr(linear, "MOST_NUMBERS", 1000)
    found, note = linear_models(parts, "test", TASKS)
    assert not found and "more than seconds" in note


def test_other_inputs_are_left_out_with_a_note(parts: dict[str, Rows]) -> None:
    images = {part: Rows.from_labels(torch.zeros(9, 3, 4, 4), {"yes": torch.ones(9)}, TASKS[:1]) for part in parts}
    found, note = linear_models(images, "test", TASKS[:1])
    assert not found and "the inputs are not" in note


def test_a_target_with_one_value_and_a_part_without_labels_have_none(parts: dict[str, Rows]) -> None:
    nothing = torch.full((9,), torch.nan)
    small = {part: Rows.from_labels(torch.randn(9, 2), {"yes": torch.ones(9)}, TASKS[:1]) for part in parts}
    assert linear_models(small, "test", TASKS[:1])[0] == {}
    small["train"] = Rows.from_labels(torch.randn(9, 2), {"yes": torch.arange(9) % 2.0}, TASKS[:1])
    small["test"] = Rows.from_labels(torch.randn(9, 2), {"yes": nothing}, TASKS[:1])
    assert not linear_models(small, "test", TASKS[:1])[0]["yes"]["test"].value > 0
