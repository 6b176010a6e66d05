"""The search for hundreds of tasks: from clusterings, the same on every machine, and it says when time ended it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection import select_networks
from polytask.grouping.selection.clusters import clusterings
from polytask.grouping.selection.served import Served


def planted(tasks: int, groups: int, noise: float, seed: int = 0):
    """An affinity with hidden groups that help each other by 1, and the score of these groups."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(tasks) % groups)
    matrix = (group[:, None] == group) + noise * rng.normal(size=(tasks, tasks))
    inside = (group[:, None] == group) & ~np.eye(tasks, dtype=bool)
    return Affinity(tuple(map(str, range(tasks))), matrix), float(
        (matrix * inside).sum(0).dot(1 / inside.sum(0)) / tasks
    )


@pytest.mark.parametrize(("tasks", "groups", "noise"), [(30, 3, 0.5), (100, 10, 0.5), (240, 40, 0.6)])
def test_planted_groups_are_found(tasks, groups, noise):
    affinity, truth = planted(tasks, groups, noise)
    assert select_networks(affinity, groups, rounds=2).score >= 0.99 * truth


@pytest.mark.slow
def test_a_thousand_tasks():
    affinity, truth = planted(1000, 100, 0.5)
    assert select_networks(affinity, 100).score >= 0.99 * truth


def test_no_dependence_on_the_clock(monkeypatch):
    affinity, _ = planted(60, 6, 2.0)
    first = select_networks(affinity, 6, rounds=10)
    monkeypatch.setattr(time, "monotonic", lambda: pytest.fail("the clock was read"))
    assert select_networks(affinity, 6, rounds=10) == first and first.complete


def test_a_time_limit_that_ends_the_search_is_reported():
    affinity, _ = planted(60, 6, 2.0)
    assert not select_networks(affinity, 6, seconds=1e-6).complete
    assert select_networks(affinity, 6, seconds=600.0, rounds=2) == select_networks(affinity, 6, rounds=2)


def test_kicks_do_not_make_it_worse():
    affinity, _ = planted(40, 5, 3.0)
    none, some = (select_networks(affinity, 5, rounds=rounds).score for rounds in (0, 20))
    assert none <= some


def test_clusterings_divide_blocks_and_separate_what_must_not_meet():
    blocks = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]], bool)
    apart = np.zeros((5, 5), bool)
    apart[2, 3] = apart[3, 2] = True
    gains = np.ones((5, 5)) - np.eye(5)
    found = clusterings(Served(gains, apart=apart, blocks=blocks), 2)
    assert all(len(owner) == 4 and owner.max() < 2 for owner in found)
    assert any(owner[1] != owner[2] for owner in found)
