"""Paired tests over seeds, with Holm's correction over methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Test = Literal["t", "wilcoxon"]


@dataclass(frozen=True)
class TestResult:
    """One method against the reference.

    Attributes:
        difference: Mean difference, in the units of the values.
        p: Two-sided p-value; NaN with fewer than two pairs.
        p_holm: The same, corrected for the number of methods tested together.
        significant: Whether ``p_holm`` is below the level.
    """

    __test__ = False  # not a test of pytest's

    difference: float
    p: float
    p_holm: float
    significant: bool


def paired_tests(values: ArrayLike, reference: ArrayLike, *, test: Test = "t", level: float = 0.05) -> list[TestResult]:
    """Test every method against one reference, pair by pair (same seed, same split).

    Args:
        values: ``[methods, n]`` one value per seed; pairs with NaN are left out.
        reference: ``[n]`` values of the reference on the same seeds.
        test: ``t`` (paired Student) or ``wilcoxon`` (signed ranks; needs six pairs to find anything at .05).
        level: Family-wise error rate over the methods.

    Example:
        >>> [r.significant for r in paired_tests([[2.0, 2.1, 1.9, 2.2], [1.1, 0.9, 1.0, 1.0]], [1.0, 1.1, 1.0, 0.9])]
        [True, False]
    """
    differences = np.atleast_2d(np.asarray(values, dtype=float)) - np.asarray(reference, dtype=float)
    p_values = paired_p_values(differences, test)
    corrected = holm(p_values)
    kept = np.isfinite(differences)
    sums = np.where(kept, differences, 0.0).sum(1)
    counts = kept.sum(1)
    means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return [
        TestResult(float(d), float(p), float(c), bool(c < level))
        for d, p, c in zip(means, p_values, corrected, strict=True)
    ]


def paired_p_values(differences: np.ndarray, test: Test = "t") -> np.ndarray:
    """Two-sided p-values of ``[methods, n]`` paired differences; 1 where all of them are 0."""
    from scipy import stats

    found = np.full(len(differences), np.nan)
    for row, line in enumerate(differences):
        known = line[np.isfinite(line)]
        if len(known) < 2:
            continue
        if not known.any():
            found[row] = 1.0
        elif test == "wilcoxon":
            found[row] = stats.wilcoxon(known).pvalue
        elif np.ptp(known) == 0:  # one constant difference: certain, and no spread to divide by
            found[row] = 0.0
        else:
            found[row] = stats.ttest_1samp(known, 0.0).pvalue
    return found


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
