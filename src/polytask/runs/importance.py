"""Permutation importance: how much skill is lost when a feature's values are shuffled among the rows.

Source: L. Breiman, "Random Forests", Machine Learning 2001.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..uncertainty import Estimate, mean_of

#: Skills by target when a feature has the values of other rows ``[n]``.
Shuffled = Callable[[int, np.ndarray], Mapping[str, Estimate]]


def falls_of_skill(
    before: Mapping[str, Estimate], shuffled: Shuffled, features: int, rows: int, repeats: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Falls of skill and their standard errors, of the rows and of the shuffles.

    Args:
        before: Skill of every target on the rows as they are.
        shuffled: Gives the skills for the position of a feature and an order of the rows.
        features: Number of features.
        rows: Number of rows.
        repeats: Shuffles of every feature.
        rng: Draws the orders.

    Returns:
        Two arrays ``[features, targets]``; NaN where a skill is undefined.

    Example:
        >>> good, useless = Estimate.exact(0.8), Estimate.exact(0.0)
        >>> values, errors = falls_of_skill({"a": good}, lambda k, order: {"a": useless if k == 0 else good}, 2, 9, 3,
        ...                                 np.random.default_rng(0))
        >>> values.ravel().round(1).tolist(), errors.ravel().round(9).tolist()
        ([0.8, 0.0], [0.0, 0.0])
    """
    found = np.zeros((2, features, len(before)))
    for k in range(features):
        after = [shuffled(k, rng.permutation(rows)) for _ in range(repeats)]
        for t, (name, skill) in enumerate(before.items()):
            found[:, k, t] = _mean_fall([skill - one[name] for one in after])
    return found[0], found[1]


def _mean_fall(falls: Sequence[Estimate]) -> tuple[float, float]:
    mean = mean_of(falls)
    shuffles = np.var([one.value for one in falls], ddof=1) / len(falls) if len(falls) > 1 else 0.0
    return mean.value, float(np.sqrt(mean.error**2 + shuffles))
