"""Networks by what single-task models gain over one network for all."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from polytask.grouping import Affinity
from polytask.grouping.strategies import GROUPINGS, Context
from polytask.grouping.strategies.gains import AFFINITY, Predicted

FRIENDS = np.kron(np.eye(2), np.ones((2, 2)))


def propose(gain, budget=2, affinity=None, **constraints):
    """The networks for tasks a, b, ... whose single-task models gain this much over .5."""
    tasks = tuple("abcdefghijklmnop"[: len(gain)])
    known = {tasks: dict.fromkeys(tasks, 0.5)}
    known |= {(task,): {task: 0.5 + more} for task, more in zip(tasks, gain, strict=True) if more is not None}
    matrix = np.zeros((len(tasks),) * 2) if affinity is None else affinity
    context = Context(tasks, [budget], Affinity(tasks, matrix), known=known, constraints=constraints)
    (selection,) = GROUPINGS["gains"].propose(context)
    return selection


def test_the_task_that_is_better_alone_is_alone_and_others_have_all_as_partners():
    selection = propose([0.1, -0.1, -0.1, -0.05])
    assert selection.networks == (("a",), ("a", "b", "c", "d"))
    assert selection.serves == {"a": 0, "b": 1, "c": 1, "d": 1}
    assert selection.scores == pytest.approx({"a": 0.6, "b": 0.5, "c": 0.5, "d": 0.5})


@pytest.mark.parametrize("budget", [1, 2, 4])
def test_where_no_task_is_better_alone_there_is_one_network(budget):
    assert propose([-0.1, -0.2, -0.1, 0.0], budget).networks == (("a", "b", "c", "d"),)


def test_affinity_decides_where_all_gain_the_same():
    assert propose([0.1] * 4, affinity=FRIENDS).networks == (("a", "b"), ("c", "d"))
    assert propose([0.1] * 4, affinity=FRIENDS[[0, 2, 1, 3]][:, [0, 2, 1, 3]]).networks == (("a", "c"), ("b", "d"))


def test_with_a_network_for_each_task_all_are_alone():
    assert propose([0.1] * 4, 4).networks == (("a",), ("b",), ("c",), ("d",))


def test_the_search_finds_nearly_all_of_the_best_choice():
    rng, shares = np.random.default_rng(0), []
    for _ in range(10):
        gain, affinity = rng.normal(size=5), rng.normal(size=(5, 5))
        groups = np.array(list(product([False, True], repeat=5)))[1:]
        values = Predicted(np.full(5, 0.5), gain, affinity)(groups)
        best = max(values[list(some)].max(0).mean() for some in combinations(range(31), 3))
        shares.append((propose(gain, 3, affinity).score - 0.5) / (best - 0.5))
    assert np.mean(shares) > 0.98 and min(shares) > 0.9 and max(shares) <= 1 + 1e-9


def test_many_tasks_are_searched():
    gain = [0.1 if place in (3, 8) else -0.1 for place in range(14)]
    selection = propose(gain, 3)
    assert selection.networks[-2:] == (("d",), ("i",)) and len(selection.networks[0]) == 14
    split = propose([0.1] * 14, 4)
    assert sorted(map(len, split.networks)) == [3, 3, 4, 4]
    assert set(split.serves) == set("abcdefghijklmn")


@pytest.mark.parametrize("gain", [[0.1, -0.1, -0.1, -0.05], [0.1] * 12])
def test_constraints_hold(gain):
    limited = propose(gain, 6, max_size=3)
    assert max(map(len, limited.networks)) <= 3 and set(limited.serves) == set("abcdefghijkl"[: len(gain)])
    apart = propose(gain, 3, apart=[("a", "b"), ("b", "c")])
    assert all(not {"a", "b"} <= set(network) and not {"b", "c"} <= set(network) for network in apart.networks)
    together = propose(gain, 3, together=[("a", "b")])
    assert together.serves["a"] == together.serves["b"]


def test_single_task_models_that_are_not_known_gain_what_others_do():
    assert propose([0.2, None, None, 0.0]).scores == propose([0.2, 0.1, 0.1, 0.0]).scores


def test_without_single_task_models_affinity_chooses():
    tasks = tuple("abcd")
    context = Context(tasks, [2], Affinity(tasks, FRIENDS))
    assert GROUPINGS["gains"].propose(context) == GROUPINGS["tag"].propose(context)


def test_the_size_of_affinities_does_not_matter():
    gain, affinity = np.array([0.1, 0.2, 0.05]), np.arange(9.0).reshape(3, 3)
    groups = np.array([[True, True, False]])
    ours, scaled = (Predicted(np.zeros(3), gain, size * affinity)(groups)[groups] for size in (1.0, 1e-9))
    assert np.allclose(ours, scaled, rtol=1e-9)
    by_affinity = ours - Predicted(np.zeros(3), gain)(groups)[groups]
    assert np.abs(by_affinity).max() == pytest.approx(AFFINITY * gain.mean())
