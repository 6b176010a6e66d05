"""One of C classes in an order, such as stars: C - 1 logits, each of going on to the next class."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot

from ...errors import UserError
from ..influence import of_confusion, of_mean
from ..kind import ClassKind
from ..labels import Labels, check_single_rows, some
from ..metrics import ACCURACY, LOG_LOSS, MACRO_F1, Constant, Metric, spread, uncorrelated

_LEADING = re.compile(r"\s*(-?\d+(?:\.\d+)?)(?![\d.])")


def log_probabilities(outputs: Tensor) -> Tensor:
    """``[..., C]`` logarithms of the classes' probabilities from ``[..., C - 1]`` logits of ``P(y > k | y >= k)``.

    ``P(y = k)`` is that of going on k times and then staying, so that ``P(y > k)`` falls with k whatever the logits.

    Example:
        >>> log_probabilities(torch.tensor([0.0, 0.0])).exp()
        tensor([0.5000, 0.2500, 0.2500])
    """
    nothing = outputs.new_zeros(*outputs.shape[:-1], 1)
    reached = torch.cat([nothing, logsigmoid(outputs).cumsum(-1)], -1)
    return reached + torch.cat([logsigmoid(-outputs), nothing], -1)


def median_class(predictions: Tensor) -> Tensor:
    """``[...]`` the class with at most half of the probability below it and at most half above.

    Example:
        >>> median_class(torch.tensor([[0.4, 0.3, 0.3], [0.6, 0.1, 0.3]]))
        tensor([1, 0])
    """
    return (predictions.cumsum(-1)[..., :-1] < 0.5).sum(-1)


def kappa_of(shares: Tensor) -> Tensor:
    """Quadratically weighted kappa, from a confusion matrix ``[C, C]`` of shares."""
    ranks = torch.arange(len(shares), dtype=shares.dtype, device=shares.device)
    weights = (ranks[:, None] - ranks).square()
    by_chance = shares.sum(1)[:, None] * shares.sum(0)
    return 1 - (weights * shares).sum() / (weights * by_chance).sum().clamp_min(1e-300)


def _kappa(p: Tensor, y: Tensor) -> Tensor:
    classes = p.shape[-1]
    cells = y.long() * classes + median_class(p)
    return kappa_of(torch.bincount(cells, minlength=classes**2).double().view(classes, classes) / len(y))


def _rank_errors(p: Tensor, y: Tensor) -> Tensor:
    return (median_class(p) - y).abs().double()


def _sure_of_median(y: Tensor) -> Tensor:
    """``[n, C]``, the median class as the prediction for every row."""
    return one_hot(y.median().long().expand(len(y)), int(y.max()) + 1).double()


#: Quadratically weighted kappa (J. Cohen 1968): 0 for a constant prediction, 1 for a perfect one.
QUADRATIC_KAPPA = Metric(
    "quadratic_kappa", True, (), _kappa, Constant(0.0), of_confusion(kappa_of, median_class), null_error=uncorrelated,
    varied=True,
)  # fmt: skip
#: Mean distance in classes.
RANK_MAE = Metric(
    "rank_mae", False, (), lambda p, y: _rank_errors(p, y).mean(), spread, of_mean(_rank_errors), _sure_of_median
)


class Ordinal(ClassKind):
    """Targets are class indices ``[...]`` in their order, outputs ``[..., C - 1]`` logits of ``P(y > k | y >= k)``.

    The loss is the negative log likelihood, a sum of binary cross-entropies over the classes that were reached (CORN).
    The predicted class is the median of the distribution.

    Source:
        X. Shi, W. Cao, S. Raschka, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based On Conditional
        Probabilities", Pattern Analysis and Applications 2023, arXiv:2111.08851. There every logit has an equal
        weight in a batch, here every row, as in the likelihood.
    """

    name = "ordinal"
    about = "an ordered class: stars 1 to 5, or words that begin with a number; only if `--kind` sets it"
    vector_output = True
    ordered = True
    calibrated = True
    rare = ("drop",)
    default_metric = "quadratic_kappa"
    metrics = (QUADRATIC_KAPPA, RANK_MAE, ACCURACY, MACRO_F1, LOG_LOSS)
    constant_loss = 7.0

    def width(self, classes: int) -> int:
        return classes - 1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return -log_probabilities(outputs).gather(-1, targets.long()[..., None])[..., 0]

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """``T^2 KL`` of the distributions whose logits are divided by T, minimum 0."""
        student, target = log_probabilities(outputs / temperature), log_probabilities(teacher / temperature)
        return temperature**2 * (target.exp() * (target - student)).sum(-1)

    def outputs_of(self, predictions: Tensor) -> Tensor:
        above = predictions.flip(-1).cumsum(-1).flip(-1)[..., 1:]
        return above.clamp_min(1e-7).log() - predictions[..., :-1].clamp_min(1e-7).log()

    def predict(self, outputs: Tensor) -> Tensor:
        return log_probabilities(outputs).exp()

    def labels(self, predictions: Tensor) -> Tensor:
        return median_class(predictions)

    def expected(self, predictions: Tensor) -> Tensor | None:
        return predictions @ torch.arange(predictions.shape[-1], dtype=predictions.dtype, device=predictions.device)

    def arrange(self, labels: Labels, at: str) -> Labels:
        """Numbers by size, words by the number that they begin with."""
        check_single_rows(labels, at)
        if labels.values is not None:
            return labels
        ranks = _ranks(labels.names, at)
        order = sorted(range(len(ranks)), key=ranks.__getitem__)
        return Labels(tuple(labels.names[place] for place in order), None, np.array([labels.counts[i] for i in order]))

    def reason(self, labels: Labels) -> str:
        return f"{len(labels.names)} classes in order, {labels.names[0]} to {labels.names[-1]}"


def _ranks(names: Sequence[str], at: str) -> list[float]:
    """The numbers that names begin with.

    Raises:
        UserError: If one begins with none, or two with the same.
    """
    found = [_LEADING.match(name) for name in names]
    ranks = [float(match[1]) for match in found if match]
    if len(set(ranks)) < len(names):
        raise UserError(f"{at}: the order of {some(names)} is not known; let every class begin with its number, such "
                        "as '1 low', '2 high', or state the kind multiclass")  # fmt: skip
    return ranks


KIND = Ordinal()
