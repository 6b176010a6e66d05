"""Soft labels replace true ones, row by row."""

import pytest
import torch

from polytask import SoftLabels
from polytask.data import Batch
from polytask.distillation import check_mixture
from polytask.task import KINDS

BINARY = KINDS["binary"]
TEACHER = torch.tensor([-2.0, 0.5, 1.0, 3.0])


def batch(ids, targets=None) -> Batch:
    ids = torch.tensor(ids)
    targets = torch.zeros(len(ids), 1) if targets is None else torch.tensor(targets)[:, None]
    return Batch(None, targets, None, ids)


def test_teacher_outputs_are_found_by_row_id():
    loss = SoftLabels(TEACHER).loss(BINARY, TEACHER[[3, 0, 0]], batch([3, 0, 0]), 0)
    torch.testing.assert_close(loss, torch.zeros(3), atol=1e-6, rtol=0)
    assert (SoftLabels(TEACHER).loss(BINARY, TEACHER[[3, 0]], batch([0, 3]), 0) > 0.1).all()


def test_true_labels_have_no_influence_without_mixture():
    labels, student = SoftLabels(TEACHER), torch.zeros(4)
    ids = [0, 1, 2, 3]
    one = labels.loss(BINARY, student, batch(ids, [0.0, 0.0, 1.0, 1.0]), 0)
    other = labels.loss(BINARY, student, batch(ids, [1.0, float("nan"), 0.0, 5.0]), 0)
    assert torch.equal(one, other)


def test_mixture_is_the_share_of_the_soft_loss():
    student, rows = torch.tensor([0.3, -1.0]), batch([1, 2], [1.0, 0.0])
    soft = SoftLabels(TEACHER, temperature=2.0, weight=3.0).loss(BINARY, student, rows, 0)
    true = BINARY.loss(student, rows.targets[:, 0])
    mixed = SoftLabels(TEACHER, temperature=2.0, weight=3.0, mixture=0.25).loss(BINARY, student, rows, 0)
    torch.testing.assert_close(mixed, 0.25 * soft + 0.75 * true)
    torch.testing.assert_close(soft, 3.0 * BINARY.soft_loss(student, TEACHER[[1, 2]], 2.0))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((0.0, 1.0, 1.0), "temperature"),
        ((1.0, 0.0, 1.0), "kd_weight"),
        ((1.0, 1.0, 0.0), "mixture"),
        ((1.0, 1.0, 1.5), "mixture"),
        ((float("nan"), 1.0, 1.0), "temperature"),
    ],
)
def test_unusable_settings_are_named(settings, words):
    (problem,) = check_mixture(*settings)
    assert words in problem


def test_usable_settings_pass():
    assert check_mixture(2.0, 0.5, 1.0) == []
