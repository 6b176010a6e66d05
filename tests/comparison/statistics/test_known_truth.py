"""Simulated comparisons whose truth is known: what is not there is found in 5 %, what is there is found."""

from __future__ import annotations

import numpy as np
import pytest

from polytask.comparison.statistics import bootstrap_interval, holm, paired_tests
from polytask.comparison.statistics.paired import paired_p_values

SIMULATIONS = 1000
#: Three standard errors of a share of .05 in this many simulations.
NOISE = 3 * (0.05 * 0.95 / SIMULATIONS) ** 0.5


def differences(seeds: int, effect: float = 0.0, methods: int = SIMULATIONS) -> np.ndarray:
    draw = np.random.default_rng(0)
    return effect + draw.normal(size=(methods, seeds))


def test_t_finds_nothing_in_noise() -> None:
    share = (paired_p_values(differences(5), "t") < 0.05).mean()
    assert abs(share - 0.05) < NOISE


@pytest.mark.parametrize("seeds", [2, 5, 6, 8, 18])
@pytest.mark.parametrize("kind", ["normal", "heavy", "ties", "two values"])
def test_sign_flips_hold_any_level_for_any_symmetric_noise(seeds: int, kind: str) -> None:
    draw = np.random.default_rng(seeds)
    rows = 400 if seeds < 18 else 50
    noise = {
        "normal": lambda: draw.normal(size=(rows, seeds)),
        "heavy": lambda: draw.standard_cauchy(size=(rows, seeds)),
        "ties": lambda: draw.integers(-2, 3, (rows, seeds)) / 10,
        "two values": lambda: draw.choice([-0.01, 0.01], (rows, seeds)),
    }[kind]()
    for test in ("permutation", "wilcoxon"):
        p = paired_p_values(noise, test)
        for level in (0.05, 0.2):
            assert (p <= level).mean() < level + 3 * (level * (1 - level) / rows) ** 0.5


def test_wilcoxon_finds_nothing_in_noise() -> None:
    """Its p-values are discrete: the rate is at most the level."""
    share = (paired_p_values(differences(10), "wilcoxon") < 0.05).mean()
    assert 0.02 < share < 0.05 + NOISE


def test_holm_holds_the_error_over_all_methods() -> None:
    """At least one false finding among five independent methods in 5 % of the comparisons, not in 23 %."""
    p = paired_p_values(differences(6, methods=5 * SIMULATIONS), "t").reshape(SIMULATIONS, 5)
    uncorrected = (p.min(1) < 0.05).mean()
    corrected = np.mean([holm(row).min() < 0.05 for row in p])
    assert uncorrected > 0.18
    assert abs(corrected - 0.05) < NOISE


def test_a_planted_difference_is_found() -> None:
    """Seeds differ far more than methods do: only pairing shows it."""
    draw = np.random.default_rng(1)
    seeds = draw.normal(0.8, 0.05, size=8)
    reference = seeds + draw.normal(0, 0.002, 8)
    better, equal = seeds + 0.01 + draw.normal(0, 0.002, 8), seeds + draw.normal(0, 0.002, 8)
    first, second = paired_tests([better, equal], reference)
    assert first.significant and first.difference == pytest.approx(0.01, abs=0.003)
    assert not second.significant
    assert (paired_p_values(differences(6, effect=3.0)) < 0.05).mean() > 0.98


def test_bootstrap_covers() -> None:
    draw = np.random.default_rng(2)
    found = [bootstrap_interval(draw.normal(size=20), resamples=300) for _ in range(200)]
    covered = np.mean([interval.low <= 0 <= interval.high for interval in found])
    assert 0.86 < covered < 0.99  # nominal .95, a little less with 20 values
