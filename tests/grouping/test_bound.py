"""The bound of the search is never below what can be had."""

from __future__ import annotations

import numpy as np
import pytest

from polytask.errors import UserError
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection import bound, select_networks
from polytask.grouping.selection.bound import upper_bound
from polytask.grouping.selection.checks import Constraints, checked


def instance(seed: int):
    """A random matrix with constraints, and the best sum of scores."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 10 if seed % 10 else 13))
    matrix = rng.choice([rng.normal(size=(count, count)), rng.uniform(size=(count, count)),
                         rng.integers(-2, 3, (count, count)).astype(float)])  # fmt: skip
    if rng.random() < 0.3:
        groups = rng.integers(0, 3, count)
        matrix = matrix + 3 * (groups[:, None] == groups)
    names = tuple(map(str, range(count)))
    constraints = {}
    if rng.random() < 0.3:
        constraints["max_size"] = int(rng.integers(2, count + 1))
    if rng.random() < 0.3 and count > 2:
        constraints["apart"] = [names[:2]]
    if rng.random() < 0.3 and count > 3:
        constraints["together"] = [names[2:4]]
    if rng.random() < 0.3:
        constraints["single_score"] = float(rng.normal())
    affinity, networks = Affinity(names, matrix), int(rng.integers(1, count + 1))
    best = select_networks(affinity, networks, **constraints).score * count
    problem = checked(affinity, Constraints(**constraints), networks, None, 1.0)
    return problem.served, networks, np.ldexp(best, -problem.exponent)  # affinities are divided by a power of two


@pytest.mark.parametrize("part", range(4))
def test_no_choice_is_better_than_the_bound(part, monkeypatch):
    tighter = tried = 0
    for seed in range(100 * part, 100 * part + 100):
        try:
            served, networks, best = instance(seed)
        except UserError:  # constraints that cannot be met
            continue
        tried += 1
        found = upper_bound(served, networks, best - 1)
        assert found >= best - 1e-9 * max(1, abs(best)), seed
        monkeypatch.setattr(bound, "MOST_PAIRED", 0)
        tighter += found < upper_bound(served, networks, best - 1) - 1e-6
        monkeypatch.undo()
    assert tried > 60 and tighter > 10


def test_many_random_tasks():
    draw = np.random.default_rng(0)
    gains = draw.uniform(size=(200, 200))
    np.fill_diagonal(gains, 0)
    served = checked(Affinity(tuple(map(str, range(200))), gains.T), Constraints(), 10, None, 1.0).served
    assert 0.62 < upper_bound(served, 10, 0.62 * 200) / 200 < 0.92
