"""Soft labels replace true ones, row by row."""

import pytest
import torch

from polytask import SoftLabels
from polytask.data import Batch
from polytask.distillation import check_soft_labels
from polytask.task import KINDS

BINARY = KINDS["binary"]
TEACHER = torch.tensor([-2.0, 0.5, 1.0, 3.0])


def batch(ids) -> Batch:
    return Batch(None, torch.zeros(len(ids), 1), None, torch.tensor(ids))


def test_teacher_outputs_are_found_by_row_id():
    labels = SoftLabels(TEACHER)
    loss = labels.loss(BINARY, TEACHER[[3, 0, 0]], labels.of(batch([3, 0, 0])))
    torch.testing.assert_close(loss, torch.zeros(3), atol=1e-6, rtol=0)
    assert (labels.loss(BINARY, TEACHER[[3, 0]], labels.of(batch([0, 3]))) > 0.1).all()


def test_weight_is_a_factor_of_the_distance():
    student, labels = torch.tensor([0.3, -1.0]), SoftLabels(TEACHER, temperature=2.0, weight=3.0)
    soft = labels.loss(BINARY, student, labels.of(batch([1, 2])))
    torch.testing.assert_close(soft, 3.0 * BINARY.soft_loss(student, TEACHER[[1, 2]], 2.0))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((0.0, 1.0), "temperature"),
        ((1.0, 0.0), "kd_weight"),
        ((float("nan"), 1.0), "temperature"),
    ],
)
def test_unusable_settings_are_named(settings, words):
    (problem,) = check_soft_labels(*settings)
    assert words in problem


def test_usable_settings_pass():
    assert check_soft_labels(2.0, 0.5) == []
