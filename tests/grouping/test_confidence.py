"""When an affinity has been measured well enough for the choice."""

from __future__ import annotations

import numpy as np
import pytest

from polytask.errors import UserError
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.confidence import measured_enough
from polytask.grouping.windows import Windows

GROUPS = np.kron(np.eye(2), np.ones((3, 3)))


def history(signal: float, noise: float, windows: int = 20, seed: int = 0) -> Affinity:
    means = signal * GROUPS + noise * np.random.default_rng(seed).normal(size=(windows, 6, 6))
    steps = np.arange(2 * windows).reshape(windows, 2)
    found = Windows(steps, means, np.ones((windows, 6, 6), int))
    return Affinity(tuple("abcdef"), found.mean(), {"windows": found.to_json_dict()})


@pytest.mark.parametrize("budgets", [(), (2,), range(1, 4)])
def test_known_groups_are_enough_and_noise_is_not(budgets):
    for seed in range(5):
        assert measured_enough(history(1.0, 0.2, seed=seed), budgets)
        assert not measured_enough(history(0.0, 1.0, seed=seed), budgets)


def test_few_windows_and_one_network_are_never_enough():
    assert not measured_enough(history(1.0, 0.0, windows=7)) and measured_enough(history(1.0, 0.0, windows=8))
    assert not measured_enough(history(1.0, 0.0), (1,))


def test_constraints_are_met():
    assert measured_enough(history(1.0, 0.2), (3,), apart=[["a", "b"]])
    with pytest.raises(UserError, match="apart"):
        measured_enough(history(1.0, 0.2), (2,), apart=[["a", "unknown"]])


def test_too_many_tasks():
    matrix = np.zeros((13, 13))
    with pytest.raises(UserError, match=r"at most 12 tasks .* found 13"):
        measured_enough(Affinity(tuple(map(str, range(13))), matrix))
