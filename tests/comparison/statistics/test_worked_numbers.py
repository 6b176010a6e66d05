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
    holm,
    mean_ranks,
    paired_tests,
    pareto_front,
)


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
    assert paired_tests([a], b)[0].p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired_tests([a], b, test="wilcoxon")[0].p == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_pairs_with_a_failed_run_are_left_out() -> None:
    a, b = [1.0, 2.0, 3.5, math.nan], [0.5, 1.4, 2.0, 9.0]
    found = paired_tests([a], b)[0]
    assert found.p == pytest.approx(stats.ttest_rel(a[:3], b[:3]).pvalue)
    assert found.difference == pytest.approx(2.6 / 3)


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
