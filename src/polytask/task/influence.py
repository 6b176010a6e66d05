"""What each row contributes to a metric: its influence, from which follow standard errors and paired comparisons.

The influence of row i is n times the derivative of the metric by the row's weight (the infinitesimal jackknife): the
values sum to 0, and the sampling error of the metric is ``sqrt(sum influence^2) / n``. For the area under the ROC
curve that is the estimate of DeLong et al. (Biometrics 1988), for a mean the usual standard error. The influences of
two models on the same rows may be subtracted: that gives the error of the difference of their metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

#: ``influence(predictions, targets)`` -> ``[n]`` float64, of observed rows.
Influence = Callable[..., Tensor]


def of_mean(terms: Callable[..., Tensor]) -> Influence:
    """Influence on the mean of a term per row.

    Example:
        >>> of_mean(lambda p, y: (p - y).abs())(torch.tensor([1., 2.]), torch.tensor([0., 0.]))
        tensor([-0.5000,  0.5000], dtype=torch.float64)
    """

    def influence(p: Tensor, y: Tensor, **given: Any) -> Tensor:
        values = terms(p, y, **given).double()
        return values - values.mean()

    return influence


def of_ratio(parts: Callable[..., tuple[Tensor, Tensor]]) -> Influence:
    """Influence on ``sum a_i / sum b_i``, given ``(a, b)`` per row."""

    def influence(p: Tensor, y: Tensor, **given: Any) -> Tensor:
        top, bottom = (part.double() for part in parts(p, y, **given))
        total = bottom.sum().clamp_min(1e-300)  # nothing counts: no row has an influence
        return (top - top.sum() / total * bottom) / (total / len(bottom))

    return influence


def of_rmse(p: Tensor, y: Tensor) -> Tensor:
    """Influence on the root of the mean squared error."""
    squares = (p.double() - y.double()).square()
    return (squares - squares.mean()) / (2 * squares.mean().sqrt()).clamp_min(1e-300)


def of_r2(p: Tensor, y: Tensor) -> Tensor:
    """Influence on the coefficient of determination."""
    p, y = p.double(), y.double()
    errors, spread = (p - y).square(), (y - y.mean()).square()
    return (errors.sum() / spread.sum() * spread - errors) / spread.mean()


def of_roc_auc(p: Tensor, y: Tensor) -> Tensor:
    """Influence on the area under the ROC curve (DeLong's placements)."""
    p, positive = p.double(), y > 0.5
    n, found = len(p), torch.empty_like(p)
    for own, other, sign in ((positive, ~positive, 1.0), (~positive, positive, -1.0)):
        above = share_above(p[own], p[other], torch.ones_like(p[other]))  # of the other class
        beaten = 1 - above if sign > 0 else above
        found[own] = (beaten - beaten.mean()) * (n / own.sum())
    return found


def of_average_precision(p: Tensor, y: Tensor) -> Tensor:
    """Influence on average precision, the mean precision at the positive rows."""
    p, y = p.double(), (y > 0.5).double()
    n, positives = len(p), y.sum()
    order = p.argsort(descending=True)
    score, hit = p[order], y[order]
    last = torch.searchsorted(-score.contiguous(), -score, right=True) - 1  # ties are found together
    found_at = last.double() + 1
    precision = hit.cumsum(0)[last] / found_at
    first = torch.searchsorted(-score.contiguous(), -score)
    lower = [_suffix(values)[first] for values in (hit / found_at, hit * precision / found_at)]
    average = (hit * precision).sum() / positives
    influence = hit * (precision - average) + hit * lower[0] - lower[1]
    return torch.empty_like(p).index_copy_(0, order, influence * n / positives)


def of_pearson(p: Tensor, y: Tensor) -> Tensor:
    """Influence on the linear correlation."""
    a, b = _standard(p.double()), _standard(y.double())
    return a * b - (a * b).mean() * (a.square() + b.square()) / 2


def of_spearman(p: Tensor, y: Tensor) -> Tensor:
    """Influence on the rank correlation: on the correlation of the ranks, and through the ranks of the other rows."""
    p, y = p.double(), y.double()
    ranks = [share_below(values, values) for values in (p, y)]
    a, b = (_standard(rank) for rank in ranks)
    found = a * b - (a * b).mean() * (a.square() + b.square()) / 2
    for values, rank, own, other in ((p, ranks[0], a, b), (y, ranks[1], b, a)):
        slope = (other - (a * b).mean() * own) / rank.std(unbiased=False).clamp_min(1e-300)
        found = found + share_above(values, values, slope) - (slope * rank).mean()
    return found


def of_confusion(score: Callable[[Tensor], Tensor], labels: Callable[[Tensor], Tensor]) -> Influence:
    """Influence on a smooth function of the confusion matrix.

    Args:
        score: From shares ``[C, C]`` (true, predicted) that sum to 1 to the metric.
        labels: From predictions to classes.
    """

    def influence(p: Tensor, y: Tensor, labels: Callable[[Tensor], Tensor] = labels) -> Tensor:
        true, found = y.long(), labels(p).long()
        classes = int(max(true.max(), found.max(), torch.tensor(p.shape[-1] - 1 if p.ndim == 2 else 1))) + 1
        cells = true * classes + found
        shares = torch.bincount(cells, minlength=classes**2).double() / len(y)
        with torch.enable_grad():
            shares.requires_grad_()
            (slope,) = torch.autograd.grad(score(shares.view(classes, classes)), shares)
        slope = torch.nan_to_num(slope)
        return slope[cells] - (slope * shares.detach()).sum()

    return influence


def macro_f1_of(shares: Tensor) -> Tensor:
    """Mean F1 of the classes that occur, from a confusion matrix."""
    sizes = shares.sum(0) + shares.sum(1)
    seen = sizes > 0
    return (2 * shares.diagonal()[seen] / sizes[seen]).mean()


def balanced_accuracy_of(shares: Tensor) -> Tensor:
    """Mean recall of the classes that occur, from a confusion matrix."""
    sizes = shares.sum(1)
    seen = sizes > 0
    return (shares.diagonal()[seen] / sizes[seen]).mean()


def binary_f1_of(shares: Tensor) -> Tensor:
    """F1 of class 1, from a confusion matrix ``[2, 2]``."""
    return 2 * shares[1, 1] / (shares[1].sum() + shares[:, 1].sum()).clamp_min(1e-300)


def matthews_of(shares: Tensor) -> Tensor:
    """Matthews' correlation, from a confusion matrix."""
    true, found = shares.sum(1), shares.sum(0)
    spread = (1 - true.square().sum()) * (1 - found.square().sum())
    return (shares.diagonal().sum() - true @ found) / spread.clamp_min(1e-12).sqrt()


def of_labels(influence: Influence) -> Influence:
    """Influence on the mean of a metric over the labels ``[n, L]`` for which both answers occur."""

    def of_all(p: Tensor, y: Tensor) -> Tensor:
        total, counted = torch.zeros(len(y), dtype=torch.float64, device=y.device), 0
        for column in range(y.shape[1]):
            known = ~torch.isnan(y[:, column])
            answers = y[known, column]
            if bool((answers > 0.5).any()) and bool((answers < 0.5).any()):
                total[known] += influence(p[known, column], answers) * len(y) / len(answers)
                counted += 1
        return total / max(1, counted)

    return of_all


def of_lists(values: Callable[[Tensor, Tensor], Sequence[float | None]]) -> Influence:
    """Influence on the mean of a value per row, for those that have one."""

    def influence(p: Tensor, y: Tensor) -> Tensor:
        found = torch.tensor([float("nan") if value is None else value for value in values(p, y)], dtype=torch.float64)
        known = ~torch.isnan(found)
        centred = torch.where(known, found - found[known].mean(), 0.0)
        return (centred * len(found) / known.sum().clamp_min(1)).to(y.device)

    return influence


def by_groups(value: Callable[[Tensor, Tensor], Tensor], groups: int = 32) -> Influence:
    """Influence on any metric, by leaving out one group of rows after the other (delete-a-group jackknife).

    Costs one computation of the metric per group. Rows of a group share one number, scaled so that the standard error
    is that of the jackknife.
    """

    def influence(p: Tensor, y: Tensor) -> Tensor:
        n, count = len(y), min(groups, len(y))
        of_row = torch.arange(n, device=y.device) % count
        kept = [of_row != group for group in range(count)]
        left = torch.tensor([float(value(p[rows], y[rows])) for rows in kept], dtype=torch.float64, device=y.device)
        away = torch.nan_to_num((count - 1) * (left.nanmean() - left))
        return (away * (n / max(1, count - 1)) ** 0.5)[of_row]

    return influence


def _standard(values: Tensor) -> Tensor:
    return (values - values.mean()) / values.std(unbiased=False).clamp_min(1e-300)


def _suffix(values: Tensor) -> Tensor:
    return values.flip(0).cumsum(0).flip(0)


def share_below(values: Tensor, others: Tensor) -> Tensor:
    """For each value the share of the others below it, ties half; of all values themselves their mid-ranks."""
    return 1 - share_above(values, others, torch.ones_like(others))


def share_above(values: Tensor, others: Tensor, weights: Tensor) -> Tensor:
    """For each value the sum of the weights of the others above it, ties half, by the number of others."""
    order = others.argsort()
    ordered = others[order].contiguous()
    sums = torch.cat([weights.new_zeros(1), weights[order].cumsum(0)])
    low, high = (
        torch.searchsorted(ordered, values.contiguous()),
        torch.searchsorted(ordered, values.contiguous(), right=True),
    )
    return (sums[-1] - (sums[low] + sums[high]) / 2) / len(others)
