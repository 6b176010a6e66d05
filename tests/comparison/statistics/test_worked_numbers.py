"""Ranks, corrections, critical differences and fronts against tables worked by hand or published."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from polytask.comparison.statistics import (
    bootstrap_interval,
    cliques,
    critical_difference,
    critical_range,
    holm,
    mean_ranks,
    paired_tests,
    pairs_needed,
    pareto_front,
    smallest_p,
)
from polytask.comparison.statistics.paired import Test


def test_mean_ranks_by_hand() -> None:
    """Three methods; accuracy (higher), error (lower), and a tie for the first two."""
    values = [[0.9, 2.0, 5.0], [0.8, 1.0, 5.0], [0.7, 3.0, 4.0]]
    ranks = mean_ranks(values, [True, False, True])
    np.testing.assert_allclose(ranks, [(1 + 2 + 1.5) / 3, (2 + 1 + 1.5) / 3, 3.0])
    assert ranks.sum() == pytest.approx(6)


def test_a_method_without_a_value_is_last() -> None:
    assert mean_ranks([[math.nan], [0.1], [0.2]], [True]).tolist() == [3, 2, 1]


def test_holm_by_hand() -> None:
    corrected = holm([0.01, math.nan, 0.03, 0.04])
    np.testing.assert_allclose(corrected, [0.03, math.nan, 0.06, 0.06])


def test_paired_t_is_scipys() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(2, 7))
    assert paired_tests([a], b, test="t")[0].p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired_tests([a], b, test="wilcoxon")[0].p == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_pairs_with_a_failed_run_are_left_out() -> None:
    a, b = [1.0, 2.0, 3.5, math.nan], [0.5, 1.4, 2.0, 9.0]
    found = paired_tests([a], b, test="t")[0]
    assert found.p == pytest.approx(stats.ttest_rel(a[:3], b[:3]).pvalue) and found.pairs == 3
    assert found.difference == pytest.approx(2.6 / 3)


@pytest.mark.parametrize("count", [3, 8, 12])
def test_sign_flips_are_scipys_permutation_test(count: int) -> None:
    known = np.random.default_rng(count).normal(0.5, 1.0, count)
    theirs = stats.permutation_test((known,), np.mean, permutation_type="samples", n_resamples=10**6)
    assert paired_tests([known], np.zeros(count))[0].p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("test", ["permutation", "wilcoxon", "t"])
@pytest.mark.parametrize("differences", [[0.01, 0.01], [1e-9, 1e-9], [0.01, 0.010000001], [5.0, 0.1]])
def test_two_seeds_are_never_significant(test: Test, differences: list[float]) -> None:
    assert paired_tests([differences], [0.0, 0.0], test=test)[0].p == 0.5


@pytest.mark.parametrize("test", ["permutation", "wilcoxon", "t"])
def test_equal_differences_have_the_smallest_p_of_signs(test: Test) -> None:
    """Adding a constant in floating point leaves a spread of roundings, which is none."""
    reference = np.random.default_rng(0).normal(0.8, 0.05, 6)
    found = paired_tests([reference + 0.01], reference, test=test)[0]
    assert found.p == 2 / 2**6 and (found.smallest_p == 2 / 2**6 or test == "t")


def test_pairs_that_are_needed() -> None:
    for tested in (1, 3, 10, 40):
        pairs = pairs_needed(tested, 0.05)
        assert smallest_p(pairs) * tested <= 0.05 < smallest_p(pairs - 1) * tested


def test_critical_range_of_few_blocks_holds_its_level() -> None:
    draw = np.random.default_rng(1)
    for methods, blocks in [(2, 5), (3, 4), (5, 6), (4, 12)]:
        ranks = draw.random((4000, blocks, methods)).argsort(axis=2).mean(axis=1)
        share = (np.ptp(ranks, axis=1) >= critical_range(methods, blocks) - 1e-9).mean()
        assert share < 0.05 + 3 * (0.05 * 0.95 / 4000) ** 0.5
    assert critical_range(4, 100) == critical_difference(4, 100)


def test_no_difference_and_no_pairs() -> None:
    same, none = paired_tests([[1.0, 2.0], [math.nan, 1.0]], [1.0, 2.0])
    assert (same.p, same.significant) == (1.0, False)
    assert math.isnan(none.p) and not none.significant


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_values_as_published(methods: int, q: float) -> None:
    """Table 5a of Demsar (2006)."""
    difference = critical_difference(methods, 12)
    assert difference == pytest.approx(q * (methods * (methods + 1) / 72) ** 0.5, rel=1e-3)


def test_cliques() -> None:
    assert cliques([1.0, 2.0, 3.0], 5.0) == [[0, 1, 2]]
    assert cliques([3.0, 1.0], 1.0) == []


def test_front_of_one_point_and_of_equal_points() -> None:
    assert pareto_front([[1.0, 2.0]]).tolist() == [True]
    assert pareto_front([[1.0, 2.0], [math.nan, 0.0], [1.0, 3.0]]).tolist() == [True, False, False]


def test_interval_of_few_values() -> None:
    assert bootstrap_interval([2.0]).low is None
    assert math.isnan(bootstrap_interval([]).mean)
    flat = bootstrap_interval([2.0, 2.0, 2.0])
    assert (flat.low, flat.mean, flat.high) == (2.0, 2.0, 2.0)
    two = bootstrap_interval([1.0, 3.0])
    assert two.low == 1.0 and two.high == 3.0
