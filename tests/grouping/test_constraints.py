"""Choices under constraints: tasks together or apart, limited sizes, costs; against an independent brute force."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest

from polytask.errors import UserError
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection import score_curve, select_networks

KINDS = ["normal", "integers", "thirds", "negative", "equal rows"]


def random_matrix(rng: np.random.Generator, count: int, kind: str) -> np.ndarray:
    if kind == "integers":
        return rng.integers(-2, 3, (count, count)).astype(float)
    if kind == "thirds":
        return rng.integers(-3, 4, (count, count)) / 3
    if kind == "equal rows":
        return np.repeat(rng.integers(-2, 3, (count, 1)), count, axis=1) / 7
    if kind == "negative":
        return -rng.random((count, count)) * 100
    return rng.normal(size=(count, count))


def named(matrix: np.ndarray) -> Affinity:
    return Affinity(tuple(f"t{i}" for i in range(len(matrix))), matrix)


def brute_force(matrix, networks, budget, cost, single, max_size, together, apart):
    """The best sum of scores by the definition: every set of networks, every block served by its best network."""
    count = len(matrix)
    friends = {
        i: [j for j in range(count) if j != i and not any({i, j} <= set(g) for g in apart)] for i in range(count)
    }
    blocks = [{i} for i in range(count)]
    for group in together:
        merged = set().union(*(block for block in blocks if block & set(group)))
        blocks = [block for block in blocks if not block & merged] + [merged]

    def allowed(group):
        if len(group) > max_size or any(j not in friends[i] for i, j in combinations(group, 2)):
            return False
        return len(group) > 1 or single is not None or not friends[group[0]] or max_size == 1

    def worth(group, block):
        if not block <= set(group):
            return -np.inf
        if len(group) == 1:
            return 0.0 if single is None else single[group[0]]
        return sum(matrix[d, r] for r in block for d in group if d != r) / (len(group) - 1)

    candidates = [
        g for g in chain.from_iterable(combinations(range(count), n) for n in range(1, count + 1)) if allowed(g)
    ]
    worths = np.array([[worth(group, block) for block in blocks] for group in candidates])
    prices = [cost.get(len(group), 1.0) for group in candidates]
    best = -np.inf
    for number in range(1, networks + 1):
        for chosen in combinations(range(len(candidates)), number):
            if sum(prices[i] for i in chosen) <= budget + 1e-9:
                best = max(best, worths[list(chosen)].max(axis=0).sum())
    return best / count


def check(affinity, selection, cost, single, max_size, together, apart):
    """The choice keeps to the constraints, and its score is that of its networks."""
    index = {task: i for i, task in enumerate(affinity.tasks)}
    for network in selection.networks:
        assert len(network) <= max_size
        assert not any({f"t{i}" for i in pair} <= set(network) for group in apart for pair in combinations(group, 2))
    for group in together:
        assert len({selection.serves[f"t{i}"] for i in group}) == 1
    scores = []
    for task, number in selection.serves.items():
        others = [index[other] for other in selection.networks[number] if other != task]
        alone = 0.0 if single is None else single[index[task]]
        scores.append(affinity.matrix[others, index[task]].mean() if others else alone)
    assert selection.score == pytest.approx(np.mean(scores), abs=1e-9)
    return sum(cost.get(len(network), 1.0) for network in selection.networks)


def random_constraints(rng: np.random.Generator, count: int):
    pairs = [tuple(sorted(rng.choice(count, 2, replace=False).tolist())) for _ in range(3)]
    together = [pairs[0]] if rng.random() < 0.5 else []
    apart = [pair for pair in pairs[1 : 1 + rng.integers(0, 3)] if pair not in together]
    max_size = int(rng.choice([2, 3, count]))
    single = None if rng.random() < 0.4 else rng.normal(size=count).round(1).tolist()
    cost = [{}, {1: 0.5}, {1: 0.5, 2: 0.8}, {1: 0.25, count: 2.0}][rng.integers(4)]
    networks = int(rng.integers(1, 4))
    budget = float(rng.choice([1.0, 1.5, 2.5])) if cost else float(networks)
    return networks, budget, cost, single, max_size, together, apart


def as_names(groups):
    return [[f"t{i}" for i in group] for group in groups]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("search", [False, True])
def test_agrees_with_brute_force_under_constraints(kind, search, monkeypatch):
    rng = np.random.default_rng(100 + len(kind))
    met = 0
    if search:
        monkeypatch.setattr("polytask.grouping.selection.select.MOST_EXACT", 0)
    for _ in range(25 if search else 60):
        count = int(rng.integers(2, 6))
        matrix = random_matrix(rng, count, kind)
        networks, budget, cost, single, max_size, together, apart = random_constraints(rng, count)
        networks, max_size = min(networks, count), min(max_size, count)
        wanted = brute_force(matrix, networks, budget, cost, single, max_size, together, apart)
        options = {
            "single_score": None if single is None else {f"t{i}": score for i, score in enumerate(single)},
            "max_size": max_size,
            "together": as_names(together),
            "apart": as_names(apart),
        }
        options |= {"budget": budget, "cost": cost} if cost else {}
        if wanted == -np.inf:
            with pytest.raises(UserError):
                select_networks(named(matrix), networks, **options)
            continue
        met += 1
        selection = select_networks(named(matrix), networks, **options)
        spent = check(named(matrix), selection, cost, single, max_size, together, apart)
        assert len(selection.networks) <= networks and spent <= budget + 1e-9
        assert selection.score == pytest.approx(wanted, abs=1e-9)
        assert selection.bound >= wanted - 1e-9 and (search or selection.optimal)
    assert met > 5


def test_constraints_for_many_tasks_are_kept():
    matrix = np.random.default_rng(0).normal(size=(40, 40))
    together, apart = [(0, 1, 2), (5, 6)], [(3, 4), (0, 7, 8), (9, 10)]
    selection = select_networks(
        named(matrix), 6, max_size=12, together=as_names(together), apart=as_names(apart), seconds=1.0
    )
    check(named(matrix), selection, {}, None, 12, together, apart)
    assert selection.bound >= selection.score


def test_many_tasks_with_a_cost():
    matrix = np.random.default_rng(0).normal(size=(30, 30))
    single = {f"t{i}": 0.2 for i in range(30)}
    selection = select_networks(
        named(matrix), budget=4.5, cost={1: 0.5, 2: 0.75}, single_score=single, max_size=20, seconds=1.0
    )
    assert check(named(matrix), selection, {1: 0.5, 2: 0.75}, list(single.values()), 20, [], []) <= 4.5


def test_a_task_that_none_may_join_is_alone():
    selection = select_networks(named(np.ones((3, 3))), 2, apart=[["t0", "t1"], ["t0", "t2"]])
    assert selection.networks == (("t0",), ("t1", "t2"))
    assert selection.scores == {"t0": 0.0, "t1": 1.0, "t2": 1.0}


def test_networks_of_one_task_may_be_had_for_half():
    matrix = np.array([[0, 4, -1, -1], [4, 0, -1, -1], [-1, -1, 0, -1], [-1, -1, -1, 0.0]])
    cheap = select_networks(named(matrix), budget=2.0, cost={1: 0.5}, single_score=0)
    assert cheap.networks == (("t0", "t1"), ("t2",), ("t3",))
    by_function = select_networks(named(matrix), budget=2.0, cost=lambda size: 0.5 if size == 1 else 1, single_score=0)
    assert by_function == cheap
    assert select_networks(named(matrix), budget=1.0, cost={1: 0.5}, single_score=0).networks != cheap.networks


def test_a_curve_leaves_out_what_cannot_be_met():
    curve = score_curve(named(np.random.default_rng(0).random((6, 6))), 4, max_size=3)
    assert len(curve) == 3
    assert all(len(network) <= 3 for selection in curve for network in selection.networks)


def test_a_limit_of_sizes_and_costs_is_heeded_everywhere_in_a_curve():
    affinity = named(np.random.default_rng(1).normal(size=(7, 7)))
    scores = [s.score for s in score_curve(affinity, 4, cost={1: 0.5, 6: 2.0, 7: 2.0}, single_score=0.1)]
    assert scores == sorted(scores) and len(scores) == 3  # with a cost of 1 five tasks can be served at most


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"networks": 2, "together": [["t0", "t9"]]}, "together: 't9' is not a task"),
        ({"networks": 2, "together": [["t0"]]}, "at least two different tasks in a group"),
        ({"networks": 2, "together": "t0,t1"}, "expected groups of task names"),
        ({"networks": 2, "together": [["t0", "t1"], ["t1", "t2"]], "apart": [["t0", "t2"]]}, "drop one of the two"),
        ({"networks": 2, "together": [["t0", "t1", "t2"]], "max_size": 2}, "but max_size is 2"),
        ({"networks": 1, "apart": [["t0", "t1"]]}, "cannot serve all tasks"),
        ({"networks": 2, "apart": [["t0", "t1", "t2"]]}, "cannot serve all tasks"),
        ({"budget": 0.4}, "cannot serve all tasks"),
        ({"budget": -1.0}, "budget: expected a number above 0"),
        ({"networks": 2, "cost": {1: 0.5}}, "has an effect only with a budget"),
        ({"budget": 2, "cost": {1: 0.0}}, "cost: expected a number above 0 for networks of 1 tasks"),
        ({"budget": 2, "cost": {"a": 1.0}}, "cost: expected a size"),
        ({"networks": 2, "single_score": {"t0": 1.0}}, "expected one score for each"),
        ({}, "networks: expected a whole number"),
    ],
)
def test_constraints_that_cannot_be_met(options, words):
    with pytest.raises(UserError, match=words):
        select_networks(named(np.ones((3, 3))), **options)
