"""Split conformal prediction: intervals and sets that hold the label as often as asked for, whatever the networks are.

Source:
    J. Lei, M. G'Sell, A. Rinaldo, R. Tibshirani, L. Wasserman, "Distribution-Free Predictive Inference for Regression",
    JASA 2018; M. Sadinle, J. Lei, L. Wasserman, "Least Ambiguous Set-Valued Classifiers", JASA 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

#: Scores that are kept of a task.
MOST = 1000
#: A limit is the score of a row; another order of sums must not leave the class of this very row out.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Scores:
    """How unusual the labels of rows were that nothing was trained on.

    Attributes:
        values: Some of the scores in ascending order, always with the largest.
        ranks: Of each, how many scores are not above it.
    """

    values: tuple[float, ...]
    ranks: tuple[int, ...]

    @classmethod
    def of(cls, scores: Tensor, most: int = MOST) -> Scores:
        """Scores ``[n]``, see :meth:`polytask.task.Kind.nonconformity`; of many some, so that limits only get wider."""
        ordered = np.sort(scores.double().numpy())
        ranks = np.unique(np.ceil(np.linspace(0, 1, min(most, len(ordered)) + 1)[1:] * len(ordered)).astype(int))
        return cls(tuple(ordered[ranks - 1].tolist()), tuple(ranks.tolist()))

    def limit(self, level: float) -> float:
        """The score that a new row's is at most with a probability of ``level``; infinite with too few rows for that.

        Example:
            >>> import torch
            >>> Scores.of(torch.arange(1.0, 20.0)).limit(0.9), Scores.of(torch.arange(5.0)).limit(0.9)
            (18.0, inf)
        """
        rank = math.ceil(round((self.ranks[-1] + 1) * level, 9)) if self.ranks else 1
        return next((value for value, own in zip(self.values, self.ranks, strict=True) if own >= rank), math.inf)


def likely(shares: Tensor, limit: float) -> Tensor:
    """``[n, C]`` which classes of every row have a probability of at least ``1 - limit``.

    Args:
        shares: ``[n, C]`` probabilities.
        limit: Of :meth:`Scores.limit`.

    Example:
        >>> import torch
        >>> likely(torch.tensor([[0.5, 0.4, 0.1], [0.9, 0.1, 0.0]]), 0.7).tolist()
        [[True, True, False], [True, False, False]]
    """
    return 1 - shares <= limit + ROUNDING
