"""Tasks clustered by their data maps."""

from __future__ import annotations

import numpy as np
import pytest

from planted import planted_training
from polytask.grouping.strategies import GROUPINGS, Context
from polytask.grouping.strategies.stg import memberships
from polytask.training.callbacks import DataMaps, maps_from_state


def test_known_groups_of_maps_are_found():
    rng = np.random.default_rng(0)
    for seed in range(5):
        maps = np.repeat(rng.normal(size=(3, 40)), 4, axis=0) + 0.3 * rng.normal(size=(12, 40))
        names = tuple("abcdefghijkl")
        one, two, three = GROUPINGS["stg"].propose(Context(names, [1, 2, 3], seed=seed, data_maps=maps))
        assert three.networks == (tuple("abcd"), tuple("efgh"), tuple("ijkl"))
        assert 0 == one.score < two.score < three.score <= three.bound == 1


def test_known_groups_of_a_training_are_found():
    result, _, _ = planted_training("abcd", 2, DataMaps())
    maps = maps_from_state(result.callbacks["data_maps"])
    (selection,) = GROUPINGS["stg"].propose(Context(tuple("abcd"), [2], data_maps=maps))
    assert selection.networks == (("a", "b"), ("c", "d"))


def test_memberships_are_those_of_the_formula():
    rng = np.random.default_rng(1)
    points, centres = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
    distances = np.linalg.norm(points[:, None] - centres[None], axis=2)
    expected = 1 / ((distances[:, :, None] / distances[:, None, :]) ** (2 / 0.07)).sum(2)
    np.testing.assert_allclose(memberships(points, centres), expected, rtol=1e-6)


@pytest.mark.parametrize("budget", [1, 3])
def test_equal_maps_are_one_cluster_or_split_without_harm(budget):
    selection = GROUPINGS["stg"].propose(Context(tuple("abc"), [budget], data_maps=np.ones((3, 5))))[0]
    assert set(selection.serves) == set("abc") and selection.score == 0
