"""Paired tests over seeds (or data sets), with Holm's correction over everything that is tested together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Test = Literal["permutation", "wilcoxon", "t"]

#: Pairs up to which all sign flips are looked at; beyond as many random ones.
MOST_EXACT = 16
ROUNDING = 1e-9  # relative: sums closer than this are equal


@dataclass(frozen=True)
class TestResult:
    """One method against the reference.

    Attributes:
        difference: Mean difference, in the units of the values.
        p: Two-sided p-value; NaN with fewer than two pairs.
        p_holm: The same, corrected for the number of methods tested together.
        significant: Whether ``p_holm`` is at most the level.
        pairs: Number of pairs.
        smallest_p: No p-value is smaller with this many pairs.
    """

    __test__ = False  # not a test of pytest's

    difference: float
    p: float
    p_holm: float
    significant: bool
    pairs: int
    smallest_p: float


def paired_tests(
    values: ArrayLike, reference: ArrayLike, *, test: Test = "permutation", level: float = 0.05
) -> list[TestResult]:
    """Test every method against one reference, pair by pair (same seed, same split).

    Args:
        values: ``[methods, n]`` one value per seed; pairs with NaN are left out.
        reference: ``[n]`` values of the reference on the same seeds.
        test: See :func:`paired_p_values`.
        level: Family-wise error rate over the methods.

    Example:
        >>> better, equal = [2.0, 2.1, 1.9, 2.2, 2.0, 2.1, 2.3], [1.1, 0.9, 1.0, 1.0, 0.8, 1.2, 1.1]
        >>> found = paired_tests([better, equal], [1.0, 1.1, 1.0, 0.9, 0.9, 1.0, 1.1])
        >>> [result.significant for result in found], found[0].p == found[0].smallest_p == 2 / 2**7
        ([True, False], True)
    """
    differences = np.atleast_2d(np.asarray(values, dtype=float)) - np.asarray(reference, dtype=float)
    p_values = paired_p_values(differences, test)
    corrected = holm(p_values)
    kept = np.isfinite(differences)
    sums = np.where(kept, differences, 0.0).sum(1)
    counts = kept.sum(1)
    means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return [
        TestResult(float(d), float(p), float(c), bool(c <= level), int(n), smallest_p(int(n), test))
        for d, p, c, n in zip(means, p_values, corrected, counts, strict=True)
    ]


def paired_p_values(differences: np.ndarray, test: Test = "permutation") -> np.ndarray:
    """Two-sided p-values of ``[methods, n]`` paired differences; 1 where all of them are 0.

    ``permutation`` flips the signs of the differences, as nothing else is certain if the methods are equal: exact for
    any distribution. ``wilcoxon`` does the same with their signed ranks. ``t`` is Student's paired test; it supposes
    normal differences, and two of them, or differences without any spread, are too few to see one: then signs decide.

    Args:
        differences: ``[methods, n]``; NaN is left out.
        test: ``permutation``, ``wilcoxon`` or ``t``.

    Example:
        >>> paired_p_values(np.array([[0.1, 0.1], [0.1, -0.1]])).tolist()  # two seeds never say more
        [0.5, 1.0]
    """
    return np.array([_p_value(line[np.isfinite(line)], test) for line in differences])


def _p_value(known: np.ndarray, test: Test) -> float:
    from scipy import stats

    if len(known) < 2:
        return np.nan
    if not known.any():
        return 1.0
    if test == "wilcoxon":
        return sign_flip_p(np.sign(known) * stats.rankdata(np.abs(known)))
    if test == "permutation" or len(known) == 2 or np.ptp(known) <= ROUNDING * np.abs(known).max():
        return sign_flip_p(known)
    return float(stats.ttest_1samp(known, 0.0).pvalue)


def sign_flip_p(differences: np.ndarray) -> float:
    """Share of all ways to choose the signs of ``[n]`` differences in which their sum is as far from 0 as it is.

    Above 16 differences of as many random ways, the given one included (Phipson and Smyth 2010), always the same.

    Example:
        >>> sign_flip_p(np.array([1.0, 2.0, 3.0]))
        0.25
    """
    count = len(differences)
    if count <= MOST_EXACT:
        signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    else:
        drawn = np.random.default_rng(0).integers(0, 2, (2**MOST_EXACT - 1, count))
        signs = np.vstack([np.ones((1, count), np.int64), 1 - 2 * drawn])
    least = abs(differences.sum()) - ROUNDING * np.abs(differences).sum()
    return float((np.abs(signs @ differences) >= least).mean())


def smallest_p(pairs: int, test: Test = "permutation") -> float:
    """The smallest p-value that this many pairs can give: that of differences which all have one sign.

    Example:
        >>> smallest_p(2), smallest_p(5), smallest_p(8)
        (0.5, 0.0625, 0.0078125)
    """
    if test == "t" and pairs > 2:
        return 0.0
    return 2.0 ** (1 - min(max(pairs, 1), MOST_EXACT))


def pairs_needed(tested: int, level: float, test: Test = "permutation") -> int:
    """Pairs with which the smallest p-value, corrected for this many tests, reaches the level.

    Example:
        >>> pairs_needed(1, 0.05), pairs_needed(10, 0.05)
        (6, 9)
    """
    return next(n for n in range(2, 65) if n >= MOST_EXACT or smallest_p(n, test) * tested <= level)


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's step-down correction (1979); undefined p-values stay undefined and do not count.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    corrected = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected
