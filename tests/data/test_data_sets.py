"""Several data sets as one: what is joined, and what is refused."""

from __future__ import annotations

import pytest
import torch

from polytask import Task, UserError, rows_of_data_sets

TASKS = [Task("a"), Task("b"), Task("c", kind="regression"), Task("l", kind="multilabel", classes=("x", "y"))]
A, C = (torch.ones(3, 2), torch.tensor([0, 1, -100])), (torch.zeros(2, 2), torch.tensor([5.0, 6.0]))


def test_a_mixture_of_sets_for_one_and_for_several_tasks() -> None:
    both = (torch.ones(4, 2), {"a": torch.ones(4), "l": torch.tensor([[0, 1]] * 4)})
    rows = rows_of_data_sets({("a", "l"): both, "c": C, "a": A}, TASKS)
    assert rows.label_counts().tolist() == [6, 0, 2, 4]  # the class -100 is none
    assert rows.source.tolist() == [0] * 4 + [1] * 2 + [2] * 3
    assert rows.targets[4:6, 2].tolist() == [5.0, 6.0] and rows.inputs[:, 0].tolist() == [1] * 4 + [0] * 2 + [1] * 3


def test_inputs_of_different_kinds_have_zeros_elsewhere_and_say_where_they_are_from() -> None:
    words, pixels = {"words": torch.ones(3, 5, dtype=torch.long)}, {"pixels": torch.ones(2, 1, 4, 4)}
    rows = rows_of_data_sets({"a": (words, A[1]), "c": (pixels, C[1])}, TASKS)
    assert {name: list(value.shape) for name, value in rows.inputs.items()} == {
        "words": [5, 5],
        "pixels": [5, 1, 4, 4],
        "source": [5],
    }
    assert rows.inputs["words"][3:].sum() == 0 and rows.inputs["words"].dtype == torch.long
    assert rows.inputs["source"].tolist() == [0, 0, 0, 1, 1]


def test_one_set_is_no_mixture_and_items_are_collated() -> None:
    items = [([1] * n, float(n % 2)) for n in (1, 2, 3)]
    rows = rows_of_data_sets(
        {"a": items}, TASKS, {"a": lambda all_: (torch.tensor([[len(i)] for i, _ in all_]), torch.tensor([1.0, 0, 1]))}
    )
    assert rows.source is None and rows.inputs[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("sets", "collate", "message"),
    [
        ({}, None, "found none"),
        ({"a": A, "z": C}, None, "'z' is not one of the tasks"),
        ({("a", "b"): A}, None, "no labels for a, b"),
        ({"a": A, "c": (torch.zeros(2, 3), C[1])}, None, "give each as a dictionary"),
        ({"a": A}, {"b": None}, "no data set has the key b"),
    ],
)
def test_refusals(sets, collate, message) -> None:
    with pytest.raises(UserError, match=message):
        rows_of_data_sets(sets, TASKS, collate)
