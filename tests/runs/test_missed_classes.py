"""Classes that are never predicted right are named, with the threshold that is served."""

from __future__ import annotations

import torch

from polytask.runs.missed_classes import FEWEST, missed_classes
from polytask.task import Task


def test_classes_without_a_right_row_are_named() -> None:
    task = Task("grade", kind="multiclass", classes=("a", "b", "c"))
    targets = torch.tensor([0] * 20 + [1] * FEWEST + [2] * (FEWEST - 1))
    always_a = torch.eye(3)[torch.zeros(len(targets), dtype=torch.long)]
    assert missed_classes(task, always_a, targets) == {"b": FEWEST}, "of c there are too few rows"
    one_right = always_a.clone()
    one_right[20] = torch.tensor([0.0, 1.0, 0.0])
    assert missed_classes(task, one_right, targets) == {}


def test_a_threshold_that_is_served_counts() -> None:
    targets, predictions = torch.arange(50) % 10 == 0, torch.full((50,), 0.2)
    assert missed_classes(Task("rare"), predictions, targets.float()) == {"1": 5}
    assert missed_classes(Task("rare", threshold=0.1), predictions, targets.float()) == {"0": 45}
