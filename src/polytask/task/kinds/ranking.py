"""An order of documents within a list: one score each, listwise or pairwise loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from .base import WideKind, without_nan


class Ranking(WideKind):
    """Lists of documents: targets ``[..., L]`` are relevances (the higher the better) or NaN, outputs scores.

    Listwise (ListNet, Cao et al. 2007): cross-entropy between the softmax of the relevances and that of the scores. A
    list has one loss; one of fewer than two documents has none.
    """

    name = "ranking"
    items = True
    default_metric = "ndcg"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return _listwise(outputs, targets)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """``T^2 KL`` between the softmax of the teacher's scores and that of the student's."""
        cross_entropy = _listwise(outputs / temperature, teacher / temperature)
        entropy = _listwise(without_nan(teacher) / temperature, teacher / temperature)
        return temperature**2 * (cross_entropy - entropy)

    def counts(self, targets: Tensor) -> Tensor:
        return (super().counts(targets) >= 2).long()

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return predictions

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs


class PairwiseRanking(Ranking):
    """The same targets; every pair of documents is a yes-or-no question (RankNet, Burges et al. 2005).

    The loss of a list is the mean over its pairs of different relevance.
    """

    name = "pairwise_ranking"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        scores, relevance = _pairs(outputs), _pairs(targets)
        return _mean(softplus(-scores), relevance > 0)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """``T^2`` times the mean binary KL to ``sigma(t_a - t_b)`` of the teacher, over all pairs."""
        margins = _pairs(teacher) / temperature
        clean = without_nan(margins)
        target, scores = torch.sigmoid(clean), _pairs(outputs) / temperature
        losses = binary_cross_entropy_with_logits(scores, target, reduction="none")
        losses = losses - binary_cross_entropy_with_logits(clean, target, reduction="none")
        upper = torch.ones_like(clean, dtype=torch.bool).triu(1)
        return temperature**2 * _mean(losses, upper & ~torch.isnan(margins))

    def counts(self, targets: Tensor) -> Tensor:
        return (_pairs(targets) > 0).flatten(-2).any(-1).long()


def _listwise(scores: Tensor, target: Tensor) -> Tensor:
    """``[...]`` cross-entropy of two softmaxes over the places where ``target`` is not NaN; 0 for less than two."""
    known = ~torch.isnan(target)
    least = torch.finfo(scores.dtype).min
    shares = torch.where(known, target, least).softmax(-1)
    losses = -(shares * torch.where(known, scores, least).log_softmax(-1)).masked_fill(~known, 0.0).sum(-1)
    return torch.where(known.sum(-1) >= 2, losses, 0.0)


def _pairs(values: Tensor) -> Tensor:
    """``[..., L, L]`` differences a - b."""
    return values[..., :, None] - values[..., None, :]


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """``[...]`` mean over the chosen pairs, 0 where there is none."""
    return torch.where(chosen, values, 0.0).sum((-2, -1)) / chosen.sum((-2, -1)).clamp_min(1)
