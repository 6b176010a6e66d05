"""Distances of features against the worked numbers of the specification."""

import pytest
import torch

from polytask.distillation import Adaptors, adaptive_feature_distance, feature_distance, online_task_weights
from polytask.distillation.adaptors import principal_part, stacked_directions
from polytask.distillation.feature_distance import adapted_distance, normalised

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
    torch.testing.assert_close(adaptors(features), adaptors(features[:, None].expand(-1, 3, -1), own=True))
    torch.testing.assert_close(adaptors(features)[:, 1], features @ adaptors.weight[1].T)
    torch.testing.assert_close(adaptors(features[:, None])[:, 0], adaptors(features))  # by position


def test_a_shared_map_comes_before_the_tasks_own():
    adaptors = Adaptors(3, student=4, teacher=2, shared=5)
    features = torch.randn(6, 4)
    torch.testing.assert_close(adaptors(features)[:, 2], features @ adaptors.common.T @ adaptors.weight[2].T)


@pytest.mark.parametrize("shape", ["common", "own", "by position"])
def test_the_written_gradient_is_that_of_the_plain_distance(shape):
    torch.manual_seed(0)
    place = (7, 4) if shape == "by position" else (7,)
    features = torch.randn(*place, *((3,) if shape == "own" else ()), 6)
    adaptors, teacher, shares = Adaptors(3, 6, 5), torch.randn(*place, 3, 5), torch.rand(*place, 3)
    features[0], teacher[1] = 0.0, 0.0
    found = []
    for written in (False, True):
        leaf, weight = features.clone().requires_grad_(), adaptors.weight.detach().clone().requires_grad_()
        adaptors.weight = torch.nn.Parameter(weight)
        if written:
            loss = adapted_distance(leaf, adaptors.weight, normalised(teacher), shares)
        else:
            loss = (feature_distance(adaptors(leaf, own=shape == "own"), teacher) * shares).sum()
        (2 * loss).backward()
        found.append((loss, leaf.grad, adaptors.weight.grad))
    for plain, written in zip(*found, strict=True):
        torch.testing.assert_close(written, plain, rtol=1e-4, atol=1e-4)


def test_distances_survive_where_directions_hold_the_features():
    torch.manual_seed(0)
    features = (torch.randn(40, 3) @ torch.randn(3, 20)).double()
    part = principal_part(features, 3)
    torch.testing.assert_close(torch.cdist(part, part), torch.cdist(features, features), rtol=0, atol=1e-5)
    assert principal_part(features, 1).square().sum() < part.square().sum()
    assert torch.equal(principal_part(features, 20), features)


def test_teachers_of_different_widths_lie_side_by_side():
    narrow, wide = torch.randn(9, 2), torch.randn(9, 5)
    stacked = stacked_directions([narrow, wide], None)
    assert stacked.shape == (9, 2, 5) and bool((stacked[:, 0, 2:] == 0).all())
    torch.testing.assert_close(stacked[:, 1], normalised(wide))
    assert stacked_directions([narrow, wide], 3).shape == (9, 2, 3)
    assert stacked_directions([torch.randn(9, 4, 5)] * 2, 3).shape == (9, 4, 2, 3)
