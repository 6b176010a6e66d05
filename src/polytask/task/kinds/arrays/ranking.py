"""An order of documents within a list: one score each, listwise loss."""

from __future__ import annotations

import torch
from torch import Tensor

from ...kind import WideKind, without_nan
from ...metrics import NDCG


class Ranking(WideKind):
    """Lists of documents: targets ``[..., L]`` are relevances (the higher the better) or NaN, outputs scores.

    Listwise (ListNet, Cao et al. 2007): cross-entropy between the softmax of the relevances and that of the scores. A
    list has one loss; one of fewer than two documents has none.
    """

    name = "ranking"
    about = "relevances of the documents of a list"
    items = True
    numeric = True
    most_classes = 0
    default_metric = "ndcg"
    metrics = (NDCG,)
    of_one = "regression"

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

    def labels(self, predictions: Tensor) -> Tensor:
        return predictions


def _listwise(scores: Tensor, target: Tensor) -> Tensor:
    """``[...]`` cross-entropy of two softmaxes over the positions where ``target`` is not NaN; 0 for less than two."""
    known = ~torch.isnan(target)
    least = torch.finfo(scores.dtype).min
    shares = torch.where(known, target, least).softmax(-1)
    losses = -(shares * torch.where(known, scores, least).log_softmax(-1)).masked_fill(~known, 0.0).sum(-1)
    return torch.where(known.sum(-1) >= 2, losses, 0.0)


KIND = Ranking()
