"""An order of documents within a list: one score each, pairwise loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from ...kind import without_nan
from .ranking import Ranking


class PairwiseRanking(Ranking):
    """The same targets; every pair of documents is a yes-or-no question (RankNet, Burges et al. 2005).

    The loss of a list is the mean over its pairs of different relevance.
    """

    name = "pairwise_ranking"
    about = "relevances of the documents of a list, learned by pairs"

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


def _pairs(values: Tensor) -> Tensor:
    """``[..., L, L]`` differences a - b."""
    return values[..., :, None] - values[..., None, :]


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """``[...]`` mean over the chosen pairs, 0 where there is none."""
    return torch.where(chosen, values, 0.0).sum((-2, -1)) / chosen.sum((-2, -1)).clamp_min(1)


KIND = PairwiseRanking()
