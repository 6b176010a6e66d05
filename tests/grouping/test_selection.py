"""Networks chosen from a matrix: published choices, an independent brute force, ties, limits."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from itertools import chain, combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection import Selection, choose_budget, score_curve, select_networks

PUBLISHED = json.loads((Path(__file__).parents[1] / "data" / "tag_published_matrices.json").read_text())
SHORT = {
    "5o": "5_o_Clock_Shadow",
    "Blk": "Black_Hair",
    "Bld": "Blond_Hair",
    "Brn": "Brown_Hair",
    "Goa": "Goatee",
    "Mus": "Mustache",
    "NoB": "No_Beard",
    "Ros": "Rosy_Cheeks",
    "Hat": "Wearing_Hat",
}


def matrix_of(matrix) -> Affinity:
    return Affinity(tuple(f"t{i}" for i in range(len(matrix))), np.array(matrix, float))


def published(data: str, kind: str, transposed: bool = False) -> Affinity:
    """The published matrix has the recipient as row; transposed on purpose it is the wrong way round."""
    rows = np.array(PUBLISHED[data][kind])
    return Affinity(tuple(PUBLISHED[data]["tasks"]), rows if transposed else rows.T)


def groups(text: str) -> set[frozenset[str]]:
    """'a,b c,d' as a set of sets; '-a' is all hair tasks of CelebA but a; single letters are tasks of Taskonomy."""
    found = set()
    for group in text.split():
        if group.startswith("-"):
            found.add(frozenset(SHORT.values()) - {SHORT[name] for name in group[1:].split(",")})
        else:
            found.add(frozenset(SHORT.get(name, name) for name in group.split(",")))
    return found


@pytest.mark.parametrize(
    ("data", "kind", "budget", "expected", "score"),
    [
        ("taskonomy", "tag", 1, "s,d,n,k,t", 0.129292),
        ("taskonomy", "tag", 2, "s,d,n k,t", 0.321696),
        ("taskonomy", "tag", 3, "s,d d,n k,t", 0.348670),
        ("taskonomy", "tag", 4, "s,d d,n k,t", 0.348670),
        ("taskonomy", "tag", 5, "s,d d,n k,t", 0.348670),
        ("taskonomy", "cs", 2, "s,d,n k,t", 1.469937),
        ("taskonomy", "cs", 3, "s,d d,n k,t", 1.603780),
        ("taskonomy", "cs", 4, "s,d d,n k,t", 1.603780),
        ("celeba", "tag", 1, "5o,Blk,Bld,Brn,Goa,Mus,NoB,Ros,Hat", -106.905452),
        ("celeba", "tag", 2, "5o,NoB -5o", -99.441819),
        ("celeba", "tag", 3, "5o,NoB Blk,Brn Blk,Bld,Goa,Mus,NoB,Ros,Hat", -92.438429),
        ("celeba", "tag", 4, "5o,NoB Blk,Brn Goa,Mus,NoB Blk,Bld,Brn,NoB,Ros,Hat", -86.879283),
        ("celeba", "cs", 2, "Goa,Mus -Mus", 0.966223),
        ("celeba", "cs", 3, "5o,NoB Goa,Mus Blk,Bld,Brn,Ros,Hat", 1.309526),
        ("celeba", "cs", 4, "5o,NoB Blk,Brn Goa,Mus Blk,Bld,Brn,NoB,Ros,Hat", 1.494008),
    ],
)
def test_published_choices(data, kind, budget, expected, score):
    selection = select_networks(published(data, kind), budget)
    assert {frozenset(network) for network in selection.networks} == groups(expected)
    assert selection.score == pytest.approx(score, abs=1e-6)
    assert selection.optimal and selection.bound == selection.score


def test_taskonomy_is_served_as_published():
    selection = select_networks(published("taskonomy", "tag"), 3)
    served_by = {task: selection.networks[network] for task, network in selection.serves.items()}
    assert served_by == {"s": ("s", "d"), "d": ("s", "d"), "n": ("d", "n"), "k": ("k", "t"), "t": ("k", "t")}
    assert select_networks(published("taskonomy", "cs"), 3).serves["d"] == 1  # by {d, n}


def test_the_transposed_matrix_gives_other_groups():
    selection = select_networks(published("celeba", "tag", transposed=True), 2)
    assert {frozenset(network) for network in selection.networks} == groups("5o,Goa,Mus,NoB,Ros -NoB")


def test_networks_of_one_task_may_compete():
    selection = select_networks(published("celeba", "tag"), 3, single_score=0.0)
    assert {frozenset(network) for network in selection.networks} == groups(
        "Blk NoB 5o,Blk,Bld,Brn,Goa,Mus,NoB,Ros,Hat"
    )


# --- an independent brute force: every set of at most b groups ---


def brute_force(gains: np.ndarray, budget: int, single: float | None, max_size: int = 99):
    """(score, networks) by the definition, without any of the solver's ideas."""
    count = len(gains)
    smallest = 1 if single is not None or count == 1 else 2
    candidates = list(
        chain.from_iterable(combinations(range(count), size) for size in range(smallest, min(count, max_size) + 1))
    )
    scores = {
        group: {
            r: (single or 0.0) if len(group) == 1 else sum(gains[r][d] for d in group if d != r) / (len(group) - 1)
            for r in group
        }
        for group in candidates
    }
    solutions = []
    for number in range(1, budget + 1):
        for chosen in combinations(sorted(candidates), number):
            best = [max((scores[group][r] for group in chosen if r in group), default=None) for r in range(count)]
            if None not in best:
                solutions.append((sum(best) / count, chosen))
    top = max(score for score, _ in solutions)
    level = top - 1e-9 * max(1.0, abs(top))
    equal = [chosen for score, chosen in solutions if score >= level]
    return top, min(equal, key=lambda chosen: (len(chosen), sum(map(len, chosen)), chosen))


def random_matrix(rng: np.random.Generator, count: int, kind: str) -> np.ndarray:
    if kind == "integers":
        return rng.integers(-2, 3, (count, count)).astype(float)
    if kind == "thirds":  # ties that rounding can hide
        return rng.integers(-3, 4, (count, count)) / 3
    if kind == "equal rows":
        return np.repeat(rng.integers(-2, 3, (count, 1)), count, axis=1) / 7
    if kind == "equal columns":
        return np.repeat(rng.integers(-2, 3, (1, count)), count, axis=0) / 7
    if kind == "negative":
        return -rng.random((count, count)) * 100
    return rng.normal(size=(count, count))


@pytest.mark.parametrize("kind", ["normal", "negative", "integers", "thirds", "equal rows", "equal columns"])
@pytest.mark.parametrize("single", [None, 0.0, 0.5, -0.4])
def test_agrees_with_brute_force(kind, single):
    rng = np.random.default_rng(len(kind))
    for count, budget in [(2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2), (4, 3), (4, 4), (5, 2), (5, 3)]:
        # the brute force looks at some thousand sets of groups for five tasks
        for _ in range(2 if count == 5 and budget == 3 else 5):
            matrix = random_matrix(rng, count, kind)
            affinity = matrix_of(matrix)
            score, networks = brute_force(matrix.T, budget, single)
            selection = select_networks(affinity, budget, single_score=single)
            assert selection.score == pytest.approx(score, abs=1e-9)
            assert selection.networks == tuple(tuple(f"t{i}" for i in group) for group in networks)
            check_consistent(affinity, selection, budget, single)


def partitions(tasks: tuple[int, ...]):
    """All ways to divide the tasks into sets."""
    if not tasks:
        yield []
        return
    for rest in partitions(tasks[1:]):
        yield [(tasks[0],), *rest]
        for i, block in enumerate(rest):
            yield [*rest[:i], (tasks[0], *block), *rest[i + 1 :]]


@pytest.mark.parametrize("values", [2, 3, 7])
def test_agrees_with_all_divisions_in_exact_fractions(values):
    """Larger budgets: every division of seven tasks, every network that could serve each part, without rounding."""
    rng = np.random.default_rng(values)
    tasks = tuple(range(7))
    networks = [group for size in range(2, 8) for group in combinations(tasks, size)]
    divisions = list(partitions(tasks))
    for matrix in rng.integers(0, values, (3, 7, 7)):
        best = {}  # part: (worth, number of tasks, network), the preferred network first
        for group in networks:
            scores = {r: Fraction(int(sum(matrix[d, r] for d in group if d != r)), len(group) - 1) for r in group}
            for part in chain.from_iterable(combinations(group, size) for size in range(1, len(group) + 1)):
                entry = (-sum(scores[r] for r in part), len(group), group)
                best[part] = min(best.get(part, entry), entry)
        for budget in (3, 5, 6, 7):
            keys = (
                (
                    sum(best[part][0] for part in division),
                    len(division),
                    sum(best[part][1] for part in division),
                    sorted(best[part][2] for part in division),
                )
                for division in divisions
                if len(division) <= budget
            )
            worth, _, _, expected = min(keys)
            selection = select_networks(matrix_of(matrix), budget)
            assert selection.score == pytest.approx(float(-worth / 7))
            assert selection.networks == tuple(tuple(f"t{i}" for i in network) for network in expected)


@pytest.mark.parametrize("kind", ["normal", "integers"])
@pytest.mark.parametrize("single", [None, 0.3])
def test_limited_size_agrees_with_brute_force(kind, single, monkeypatch):
    rng = np.random.default_rng(7)
    for count, budget, max_size in [(4, 2, 2), (4, 3, 2), (5, 2, 3), (5, 2, 4), (5, 3, 2)] * 3:
        matrix = random_matrix(rng, count, kind)
        affinity = matrix_of(matrix)
        score, networks = brute_force(matrix.T, budget, single, max_size)
        selection = select_networks(affinity, budget, single_score=single, max_size=max_size)
        assert selection.score == pytest.approx(score, abs=1e-9)
        assert selection.networks == tuple(tuple(f"t{i}" for i in group) for group in networks)
        with monkeypatch.context() as patch:
            patch.setattr("polytask.grouping.selection.select.MOST_EXACT", 0)
            searched = select_networks(affinity, budget, single_score=single, max_size=max_size, rounds=20)
        check_consistent(affinity, searched, budget, single)
        assert max(map(len, searched.networks)) <= max_size
        assert searched.score == pytest.approx(score, abs=1e-9) and searched.bound >= score - 1e-9


def check_consistent(affinity: Affinity, selection: Selection, budget: int, single: float | None = None) -> None:
    """The parts of a selection fit one another and the matrix."""
    index = {task: i for i, task in enumerate(affinity.tasks)}
    assert 1 <= len(selection.networks) <= budget
    assert list(selection.networks) == sorted(selection.networks, key=lambda group: [index[task] for task in group])
    assert set(selection.serves) == set(affinity.tasks) == set(selection.scores)
    assert set(selection.serves.values()) == set(range(len(selection.networks)))  # none serves nobody
    for task, number in selection.serves.items():
        others = [index[other] for other in selection.networks[number] if other != task]
        assert task in selection.networks[number]
        expected = np.mean(affinity.matrix[others, index[task]]) if others else (single or 0.0)
        assert selection.scores[task] == pytest.approx(expected)
    assert selection.score == pytest.approx(np.mean(list(selection.scores.values())))


@pytest.mark.parametrize("count", [6, 9, 11])
def test_more_networks_are_never_worse(count):
    affinity = matrix_of(np.random.default_rng(count).normal(size=(count, count)))
    curve = score_curve(affinity, count)
    scores = [selection.score for selection in curve]
    assert all(b >= a - 1e-12 for a, b in pairwise(scores))
    for budget, selection in enumerate(curve, 1):
        check_consistent(affinity, selection, budget)
        assert selection == select_networks(affinity, budget)


def test_the_order_of_tasks_does_not_change_the_choice():
    rng = np.random.default_rng(3)
    matrix, order = rng.normal(size=(10, 10)), rng.permutation(10)
    names = [f"t{i}" for i in range(10)]
    one = select_networks(Affinity(tuple(names), matrix), 4)
    other = select_networks(Affinity(tuple(names[i] for i in order), matrix[np.ix_(order, order)]), 4)
    assert one.score == pytest.approx(other.score)
    assert {frozenset(n) for n in one.networks} == {frozenset(n) for n in other.networks}


def test_adding_a_constant_per_recipient_does_not_change_the_choice():
    affinity = published("celeba", "tag")
    shifted = Affinity(affinity.tasks, affinity.matrix + np.arange(9.0)[None, :] * 10)
    assert select_networks(shifted, 3).networks == select_networks(affinity, 3).networks


def test_two_tasks_share_a_network_even_if_it_hurts():
    selection = select_networks(matrix_of([[9, -1], [-3, 9]]), 2)
    assert selection.networks == (("t0", "t1"),)
    assert selection.scores == {"t0": -3.0, "t1": -1.0}
    assert select_networks(matrix_of([[9, -1], [-3, 9]]), 2, single_score=0).networks == (("t0",), ("t1",))


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1])
@pytest.mark.parametrize("budget", [1, 4, 14])
def test_equal_affinities_need_one_pair_per_two_tasks_or_one_network(value, budget):
    selection = select_networks(matrix_of(np.full((14, 14), value)), budget)
    assert selection.networks == (tuple(f"t{i}" for i in range(14)),)
    assert selection.score == pytest.approx(value)


def test_many_ties_stay_quick():
    pairs = np.kron(np.eye(7), np.ones((2, 2)))  # seven pairs that help each other: very many best choices
    few = np.random.default_rng(0).integers(0, 2, (14, 14)).astype(float)
    blocks = np.kron(np.eye(2), np.ones((7, 7)))
    for matrix in (pairs, few, blocks, 1 - pairs):
        start = time.perf_counter()
        check_consistent(matrix_of(matrix), select_networks(matrix_of(matrix), 4), 4)
        assert time.perf_counter() - start < 5


def test_nine_and_fourteen_tasks_are_quick():
    for count, seconds in [(9, 0.2), (14, 3.0)]:  # ten times the time on a free core
        affinity = matrix_of(np.random.default_rng(count).random((count, count)))
        select_networks(affinity, 4)
        start = time.perf_counter()
        select_networks(affinity, 4)
        assert time.perf_counter() - start < seconds


def test_search_finds_known_groups_and_proves_it():
    hidden = np.random.default_rng(1).permutation(40)
    matrix = np.kron(np.eye(4), np.ones((10, 10)))[np.ix_(hidden, hidden)]
    affinity = matrix_of(matrix)
    selection = select_networks(affinity, 4, seconds=2)
    check_consistent(affinity, selection, 4)
    found = {frozenset(network) for network in selection.networks}
    assert found == {frozenset(f"t{i}" for i in range(40) if hidden[i] // 10 == group) for group in range(4)}
    assert selection.score == pytest.approx(1.0) and selection.optimal


@pytest.mark.parametrize("kind", ["normal", "negative", "integers", "equal rows"])
def test_search_agrees_with_the_exact_choice_and_its_bound_holds(kind, monkeypatch):
    for seed, single in enumerate([None, 0.4]):
        affinity = matrix_of(random_matrix(np.random.default_rng(seed), 10, kind))
        for budget in (1, 2, 4):
            exact = select_networks(affinity, budget, single_score=single)
            with monkeypatch.context() as patch:
                patch.setattr("polytask.grouping.selection.select.MOST_EXACT", 5)
                searched = select_networks(affinity, budget, single_score=single, rounds=50)
            check_consistent(affinity, searched, budget, single)
            assert searched.score == pytest.approx(exact.score)
            assert searched.bound >= exact.score - 1e-9
            assert searched.optimal == (searched.bound <= searched.score + 1e-9 * max(1, abs(searched.score)))


def test_search_keeps_to_its_time_and_its_curve_rises():
    affinity = matrix_of(np.random.default_rng(0).normal(size=(100, 100)))
    start = time.perf_counter()
    curve = score_curve(affinity, 4, seconds=1.5)
    assert time.perf_counter() - start < 4
    assert all(b.score >= a.score for a, b in pairwise(curve))
    for budget, selection in enumerate(curve, 1):
        check_consistent(affinity, selection, budget)
        assert selection.bound >= selection.score and not (selection.optimal and budget > 1)


def test_knee():
    curve = score_curve(published("celeba", "tag"), 6)
    gains = [selection.score - curve[0].score for selection in curve]
    budget = choose_budget(curve)
    assert gains[budget - 1] >= 0.9 * gains[-1] > gains[budget - 2]
    assert choose_budget(curve, share=1.0) == 6
    assert choose_budget(score_curve(matrix_of(np.ones((5, 5))), 4)) == 1
    assert choose_budget(curve[:1]) == 1
