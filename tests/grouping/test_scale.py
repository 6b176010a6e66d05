"""The unit of affinities does not matter: times any constant they give the same choice, proof, ties and verdicts."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.confidence import measured_enough
from polytask.grouping.selection import choose_budget, score_curve, select_networks
from polytask.grouping.stability import Stability, selection_stability
from polytask.grouping.strategies.table import Measured, select_from_table
from polytask.grouping.windows import Windows

FACTORS = st.one_of(
    st.sampled_from([1e-300, 1e-200, 1e-12, 1e-9, 1e-5, 3.0, 1e6, 1e100, 1e300]),
    st.floats(-300, 300).map(lambda power: 10.0**power),
)


@st.composite
def matrices(draw, least=2, most=7):
    """Random numbers, ties, thirds (ties that rounding hides), and all of them with one very bad pair."""
    count = draw(st.integers(least, most))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    kind = draw(st.sampled_from(["normal", "ties", "thirds", "negative", "bad pair"]))
    if kind == "ties":
        return rng.integers(-1, 2, (count, count)).astype(float)
    if kind == "thirds":
        return rng.integers(-3, 4, (count, count)) / 3
    matrix = rng.normal(size=(count, count))
    if kind == "negative":
        return -np.abs(matrix)
    if kind == "bad pair":
        matrix[0, 1] = -1e6
    return matrix


def named(matrix) -> Affinity:
    return Affinity(tuple(f"t{i}" for i in range(len(matrix))), matrix)


def assert_same(one, other, factor):
    assert (one.networks, one.serves, one.optimal, one.complete) == (
        other.networks,
        other.serves,
        other.optimal,
        other.complete,
    )
    size = max(map(abs, one.scores.values()))
    assert other.score / factor == pytest.approx(one.score, rel=1e-9, abs=1e-9 * size)
    assert other.bound / factor == pytest.approx(one.bound, rel=1e-6, abs=1e-6 * size)


@settings(deadline=None, max_examples=60)
@given(matrices(), FACTORS, st.sampled_from([None, 0.0, 0.3, -1e5]), st.integers(1, 9))
def test_the_proven_choice(matrix, factor, single, networks):
    options = [None if single is None else single * times for times in (1, factor)]
    one, other = (
        select_networks(named(matrix * times), networks, single_score=option)
        for times, option in zip((1, factor), options, strict=True)
    )
    assert one.optimal
    assert_same(one, other, factor)


@settings(deadline=None, max_examples=20)
@given(matrices(3, 8), FACTORS, st.integers(1, 4))
def test_the_searched_choice(matrix, factor, networks):
    with patch("polytask.grouping.selection.select.MOST_EXACT", 1):
        assert_same(*(select_networks(named(matrix * times), networks, rounds=4) for times in (1, factor)), factor)


@settings(deadline=None, max_examples=20)
@given(matrices(3, 6), FACTORS)
def test_the_knee(matrix, factor):
    curves = [score_curve(named(matrix * times), 3) for times in (1, factor)]
    assert choose_budget(curves[0]) == choose_budget(curves[1])


@settings(deadline=None, max_examples=8)
@given(FACTORS, st.integers(0, 99), st.sampled_from([0.0, 0.5, 3.0]))
def test_stability_and_confidence(factor, seed, noise):
    means = np.kron(np.eye(2), np.ones((3, 3))) + noise * np.random.default_rng(seed).normal(size=(9, 6, 6))
    verdicts = []
    for times in (1, factor):
        history = Windows(np.arange(18).reshape(9, 2), means * times, np.ones((9, 6, 6), int))
        affinity = Affinity(tuple("abcdef"), history.mean(), {"windows": history.to_json_dict()})
        stability = selection_stability(affinity, select_networks(affinity, 2), 2, resamples=8)
        assert np.isfinite(stability.low).all() and np.isfinite(stability.high).all()
        verdicts.append((stability.together.tolist(), stability.networks, stability.enough, measured_enough(affinity)))
        verdicts[-1] += (pytest.approx(stability.regret, abs=1e-6),)
    assert verdicts[0] == verdicts[1]


@settings(deadline=None, max_examples=20)
@given(FACTORS, st.integers(0, 99))
def test_measured_networks(factor, seed):
    rng = np.random.default_rng(seed)
    scores = [dict(zip("abc", row, strict=True)) for row in rng.integers(-2, 3, (4, 3)) / 3]
    scores += [{"a": 0.1}, {"b": 0.2, "c": -0.5}]
    tables = [[Measured({task: x * times for task, x in row.items()}) for row in scores] for times in (1, factor)]
    assert select_from_table("abc", tables[0], 2)[1] == select_from_table("abc", tables[1], 2)[1]


@settings(deadline=None, max_examples=20)
@given(matrices(3, 5), FACTORS)
def test_the_unit_of_costs(matrix, factor):
    choices = [
        select_networks(named(matrix), budget=2.5 * times, single_score=0.0,
                        cost={1: 0.5 * times, 2: 0.8 * times, 3: times, 4: times, 5: times})
        for times in (1, factor)
    ]  # fmt: skip
    assert choices[0] == choices[1]


def test_the_files_of_a_thousand_tasks_are_below_ten_megabytes(tmp_path: Path) -> None:
    names = tuple(f"task_{k:04d}" for k in range(1000))
    matrix = np.random.default_rng(0).normal(0, 1e-4, (1000, 1000))
    affinity = Affinity(names, matrix, {"samples": 3, "counts": [[3] * 1000] * 1000})
    affinity.save(tmp_path / "affinity.json")
    assert (tmp_path / "affinity.json").stat().st_size < 10e6
    stored = Affinity.load(tmp_path / "affinity.json")
    assert np.allclose(stored.matrix, matrix, rtol=5e-3, atol=0)
    assert stored.meta["left_out"] == ["counts"] and stored.meta["digits"] == 3 and stored.windows is None
    wide = np.zeros((1000, 1000))
    stability = Stability(names, 5, wide, wide, wide, (1.0,), 0.0, True)
    assert set(stability.to_json_dict()) == {"resamples", "networks", "regret", "enough"}
