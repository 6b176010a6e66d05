"""Affinities estimated from the gradients of one network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planted import planted
from polytask.grouping.strategies import GROUPINGS, Context
from polytask.grouping.strategies.grad_tag import RandomSigns, estimated_affinity, shared_tensors, true_class_logit
from small_training import make_model

TASKS = tuple("abcdef")


@pytest.fixture(scope="module")
def joint():
    return planted(TASKS, 3)


def test_known_groups_are_found(joint):
    for seed in range(3):
        (selection,) = GROUPINGS["grad_tag"].propose(Context(TASKS, [2], seed=seed, joint=joint))
        assert selection.networks == (("a", "b", "c"), ("d", "e", "f"))


def test_the_network_is_left_as_it_was_and_the_seed_decides(joint):
    before = {name: value.clone() for name, value in joint.model.state_dict().items()}
    state = torch.get_rng_state()
    one, again, other = (estimated_affinity(joint, seed) for seed in (0, 0, 1))
    assert all(torch.equal(value, before[name]) for name, value in joint.model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(one.matrix, again.matrix) and not np.array_equal(one.matrix, other.matrix)


def test_projections_keep_lengths_and_large_ones_are_drawn_again(monkeypatch):
    vectors = torch.randn(20, 3000, generator=torch.Generator().manual_seed(0))
    kept = RandomSigns(3000, 0)
    assert np.allclose(kept.down(vectors).norm(dim=1) / vectors.norm(dim=1), 1, atol=0.2)
    monkeypatch.setattr("polytask.grouping.strategies.grad_tag.MOST_KEPT", 10)
    assert torch.equal(RandomSigns(3000, 0).down(vectors), kept.down(vectors))
    whole = kept.down(torch.eye(3000))
    torch.testing.assert_close(kept.up(torch.ones(whole.shape[1])), whole.sum(1))


def test_logits_of_the_true_class():
    outputs = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 4
    p = outputs.softmax(1)[torch.arange(50), labels]
    torch.testing.assert_close(true_class_logit(outputs, labels.float()), (p / (1 - p)).log())


def test_normalisations_stay():
    model = make_model(norm=True)
    shared = shared_tensors(model)
    assert len(model.shared_parameters()) - len(shared) == 2
