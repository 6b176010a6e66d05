"""Distances of features against the worked numbers of the specification."""

import pytest
import torch

from polytask.distillation import Adaptors, adaptive_feature_distance, feature_distance, online_task_weights

STUDENT = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
TEACHER = torch.tensor([[0.0, 2.0], [1.0, 1.0]])


def test_worked_numbers_of_the_feature_distance():
    assert float(feature_distance(STUDENT, TEACHER).mean()) == pytest.approx(0.492893, abs=1e-6)
    assert float(feature_distance(STUDENT.flip(1), TEACHER).mean()) == pytest.approx(0.692893, abs=1e-6)


def test_channels_may_be_any_dimension():
    images = torch.stack([STUDENT, TEACHER]).permute(0, 2, 1)[..., None]  # [B, C, H, W]
    found = feature_distance(images, images.flip(0), dim=1)
    torch.testing.assert_close(found[..., 0], feature_distance(torch.stack([STUDENT, TEACHER]),
                                                               torch.stack([TEACHER, STUDENT])))  # fmt: skip


def test_zero_and_huge_vectors_give_finite_gradients():
    for scale in (0.0, 300.0):
        student = (scale * STUDENT).half().requires_grad_()
        loss = feature_distance(student, TEACHER).sum()
        loss.backward()
        assert loss.dtype == torch.float32 and bool(loss.isfinite())
        assert bool(student.grad.isfinite().all())


def test_worked_numbers_of_the_adaptive_distance():
    shares = torch.tensor([0.5, 0.5], requires_grad=True)
    teachers = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    loss = adaptive_feature_distance(torch.tensor([[3.0, 4.0]]), teachers, shares).sum()
    loss.backward()
    assert loss.item() == pytest.approx(0.1, abs=1e-5)
    torch.testing.assert_close(shares.grad, torch.tensor([-0.2, -0.6]), rtol=0, atol=1e-5)


def test_worked_numbers_of_the_online_task_weights():
    ratios, ones = torch.tensor([1.10, 0.90, 1.25]), torch.ones(3)
    sharp = online_task_weights(ratios, ones, temperature=0.1)
    torch.testing.assert_close(sharp, torch.tensor([0.534091, 0.072281, 2.393628]), rtol=1e-5, atol=1e-6)
    soft = online_task_weights(2 * ratios, 2 * ones)
    torch.testing.assert_close(soft, torch.tensor([1.006521, 0.824069, 1.169410]), rtol=1e-5, atol=1e-6)
    assert torch.equal(online_task_weights(ratios, ones, cap=0.5), ones)


def test_adaptors_of_common_and_of_own_features_agree_and_leave_the_random_state_alone():
    state = torch.get_rng_state()
    adaptors = Adaptors(3, student=4, teacher=2)
    assert torch.equal(state, torch.get_rng_state())
    features = torch.randn(5, 4)
    torch.testing.assert_close(adaptors(features), adaptors(features[:, None].expand(-1, 3, -1)))
    torch.testing.assert_close(adaptors(features)[:, 1], features @ adaptors.weight[1].T)
