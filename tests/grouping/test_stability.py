"""How stable a choice is under resampled windows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from polytask.errors import UserError
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection import select_networks
from polytask.grouping.stability import selection_stability
from polytask.grouping.windows import Windows

GROUPS = np.kron(np.eye(2), np.ones((3, 3)))


def affinity(noise: float, windows: int = 20, seed: int = 0) -> Affinity:
    rng = np.random.default_rng(seed)
    means = GROUPS + noise * rng.normal(size=(windows, 6, 6))
    steps = np.arange(2 * windows).reshape(windows, 2)
    history = Windows(steps, means, np.ones((windows, 6, 6), int))
    return Affinity(tuple("abcdef"), history.mean(), {"windows": history.to_json_dict()})


def test_without_noise_nothing_changes():
    measured = affinity(0.0)
    selection = select_networks(measured, 2)
    stability = selection_stability(measured, selection, 2, resamples=20)
    assert stability.networks == (1.0, 1.0) and stability.regret == 0.0 and stability.enough
    assert stability.together.tolist() == GROUPS.tolist()
    assert np.allclose(stability.low, stability.high)


def test_noise_widens_intervals_and_loosens_networks():
    wide, narrow = (
        selection_stability(affinity(noise), select_networks(affinity(noise), 2), 2, resamples=50) for noise in (8, 0.5)
    )
    assert np.mean(wide.high - wide.low) > 8 * np.mean(narrow.high - narrow.low)
    assert np.mean(wide.networks) < np.mean(narrow.networks) and not wide.enough
    assert wide.regret > narrow.regret


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = []
    for seed in range(20):
        measured = affinity(1.0, windows=40, seed=seed)
        stability = selection_stability(measured, select_networks(measured, 2), 2, resamples=200, seconds=0.1)
        held.append(((stability.low <= GROUPS) & (stability.high >= GROUPS)).mean())
    assert 0.9 <= np.mean(held) <= 0.98


def test_the_seed_decides_and_constraints_are_met():
    measured = affinity(2.0)
    constraints = {"apart": [["a", "b"]], "together": [["c", "d"]], "max_size": 4}
    selection = select_networks(measured, 3, **constraints)
    one, again = (selection_stability(measured, selection, 3, resamples=20, seed=1, **constraints) for _ in range(2))
    assert one.to_json_dict() == again.to_json_dict()
    assert one.together[0, 1] == 0.0 and one.together[2, 3] == 1.0
    assert json.dumps(one.to_json_dict())


def test_there_may_be_nothing_to_resample():
    measured = affinity(1.0)
    bare = Affinity(measured.tasks, measured.matrix)
    assert selection_stability(bare, select_networks(bare, 2), 2) is None
    with pytest.raises(UserError, match="resamples"):
        selection_stability(measured, select_networks(measured, 2), 2, resamples=0)
