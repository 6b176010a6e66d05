"""Values of metrics that follow from an order or from a confusion matrix, in double precision.

They equal those of scikit-learn and scipy; ties count half, or are found together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .influence import share_below


def roc_auc(p: Tensor, y: Tensor) -> Tensor:
    """Share of the pairs of a positive and a negative row in which the positive one has the higher score.

    Args:
        p: ``[n]`` scores.
        y: ``[n]`` answers, 0 or 1; both occur.

    Example:
        >>> roc_auc(torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([0, 0, 1, 1])).item()
        0.875
    """
    p, positive = p.double(), y > 0.5
    return share_below(p[positive], p[~positive]).mean()


def average_precision(p: Tensor, y: Tensor) -> Tensor:
    """Mean over the positive rows of the precision among those with at least their score.

    Args:
        p: ``[n]`` scores.
        y: ``[n]`` answers, 0 or 1; 1 occurs.

    Example:
        >>> average_precision(torch.tensor([0.8, 0.4, 0.1]), torch.tensor([1, 0, 1])).item()
        0.8333333333333333
    """
    score, order = p.double().sort(descending=True)
    hit = (y[order] > 0.5).double()
    found = torch.searchsorted(-score, -score, right=True)  # rows with at least this score
    precision = hit.cumsum(0)[found - 1] / found
    return (hit * precision).sum() / hit.sum()


def pearson(p: Tensor, y: Tensor) -> Tensor:
    """Linear correlation; NaN if one side is constant.

    Example:
        >>> pearson(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0, 6.0])).item()
        1.0
    """
    a, b = (values.double() - values.double().mean() for values in (p, y))
    return ((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()).clamp(-1, 1)


def spearman(p: Tensor, y: Tensor) -> Tensor:
    """Correlation of the ranks; 0 if one side is constant.

    Example:
        >>> spearman(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([9.0, 5.0, 1.0])).item()
        -1.0
    """
    found = pearson(*(share_below(values.double(), values.double()) for values in (p, y)))
    return torch.nan_to_num(found)


def confusion(true: Tensor, found: Tensor, classes: int) -> Tensor:
    """``[C, C]`` shares of the rows by true and found class.

    Example:
        >>> confusion(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 0, 1]), 2)
        tensor([[0.2500, 0.0000],
                [0.2500, 0.5000]], dtype=torch.float64)
    """
    cells = torch.bincount(true.long() * classes + found.long(), minlength=classes**2)
    return cells.double().view(classes, classes) / len(true)


def ndcg(scores: Tensor, relevance: Tensor) -> Tensor:
    """Discounted gain of a list in the order of its scores, relative to the best order.

    Args:
        scores: ``[n]``; equal ones share their positions.
        relevance: ``[n]``, the gain of each; not all 0.

    Example:
        >>> ndcg(torch.tensor([0.3, 0.9, 0.1]), torch.tensor([1.0, 0.0, 0.0])).item()
        0.6309297535714575
    """
    gain = relevance.double()
    discount = 1 / torch.arange(2, len(gain) + 2, device=gain.device).double().log2()
    score, order = scores.double().sort(descending=True)
    first, last = (torch.searchsorted(-score, -score, right=right) for right in (False, True))
    sums = torch.cat([discount.new_zeros(1), discount.cumsum(0)])
    shared = (sums[last] - sums[first]) / (last - first)
    return (gain[order] * shared).sum() / (gain.sort(descending=True).values * discount).sum()
