"""When a difference is believed."""

from __future__ import annotations

import math

from .estimate import Estimate

#: One-sided level of three standard errors of a normal distribution.
THREE_ERRORS = 0.00135
#: Nothing is decided from fewer rows than this (of the rarer class, where there are classes).
LEAST_COUNTED = 5
#: An error that is known and not measured rests on any number of rows.
KNOWN = 10**9


def critical(level: float, counted: int) -> float:
    """Number of standard errors that chance exceeds with probability ``level``, one-sided (Student's t).

    Args:
        level: The probability.
        counted: What the standard error rests on; few rows make their own error uncertain.

    Example:
        >>> round(critical(0.025, 10**6), 2), round(critical(0.025, 6), 2)
        (1.96, 2.57)
    """
    from scipy.special import stdtrit  # takes a moment to load

    return float(stdtrit(max(1, counted - 1), 1 - level))


def exceeds(difference: Estimate, level: float, looks: int = 1, null_error: float = 0.0) -> bool:
    """Whether a difference is above 0 by more than chance.

    Args:
        difference: With its (paired) error.
        level: Probability of a wrong yes where the true difference is 0.
        looks: The best of this many differences is shown (Bonferroni).
        null_error: Standard error of the value where the true difference is 0, if known: it has to be exceeded, too, by
            quantiles of the normal distribution, as it is not itself measured on few rows. Rows that are all predicted
            right have no error of their own.

    Example:
        >>> import torch
        >>> exceeds(Estimate(0.02, torch.tensor([.003, -.003]), 100), 0.01)
        True
    """
    if math.isnan(difference.value) or difference.counted < LEAST_COUNTED:
        return False
    chance = level / max(1, looks)
    measured = critical(chance, difference.counted) * difference.error
    return difference.value > max(measured, critical(chance, KNOWN) * null_error)


def interval(estimate: Estimate, coverage: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a value.

    Example:
        >>> import torch
        >>> low, high = interval(Estimate(0.8, torch.tensor([.005, -.005]), 1000))
        >>> round(low, 2), round(high, 2)
        (0.78, 0.82)
    """
    width = critical((1 - coverage) / 2, estimate.counted) * estimate.error
    return estimate.value - width, estimate.value + width
