"""Metrics by name: direction, the level of a trivial prediction, and a value from outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .gain import direction_of, perfect, sign, skill
from .influence import (
    balanced_accuracy_of,
    binary_f1_of,
    by_groups,
    macro_f1_of,
    matthews_of,
    of_average_precision,
    of_confusion,
    of_labels,
    of_lists,
    of_mean,
    of_pearson,
    of_r2,
    of_ratio,
    of_rmse,
    of_roc_auc,
    of_spearman,
)
from .scores import average_precision, confusion, ndcg, pearson, roc_auc, spearman
from .spans import span_counts, span_f1


@dataclass(frozen=True)
class Metric:
    """How a task is measured.

    Attributes:
        name: Its name in results.
        higher_is_better: Direction.
        kinds: Kinds of tasks it fits; of the project's own metrics, those that list it.
        value: ``value(predictions, targets)``: predictions as :meth:`polytask.task.Kind.predict` gives them, of
            observed rows only.
        trivial: Value that a constant prediction reaches on these targets, the floor of a normalised score.
        influence: What each row contributes to the value, see :mod:`polytask.task.influence`; without it the jackknife
            over groups of rows is taken.
        constant: The prediction whose value ``trivial`` is, where that value depends on the rows; None elsewhere.
        counted: What the value's error rests on: the rows, those of the rarer class, ... (``[n]`` targets to a number).
        null_error: Standard error of the value of a prediction that knows nothing, where it has a closed form.
        unit_power: 1 if the value is in the units of a regression target, else 0.
        by_name: ``value`` and ``influence`` also take ``classes``, the names of the task's classes.
        by_label: They also take ``labels``, the kind's :meth:`~polytask.task.Kind.labels`.
        moves_threshold: A threshold between two classes may be chosen by it.
        varied: Undefined where all targets are equal.
    """

    name: str
    higher_is_better: bool
    kinds: tuple[str, ...]
    value: Callable[..., Tensor]
    trivial: Callable[[Tensor], float]
    influence: Callable[..., Tensor] | None = None
    constant: Callable[[Tensor], Tensor] | None = None
    counted: Callable[[Tensor], int] = len
    null_error: Callable[[Tensor], float] | None = None
    unit_power: int = 0
    by_name: bool = False
    by_label: bool = False
    moves_threshold: bool = False
    varied: bool = False

    @property
    def direction(self) -> str:
        """``max`` if higher is better, else ``min``."""
        return direction_of(self.higher_is_better)

    @property
    def sign(self) -> float:
        """1 if higher is better, else -1."""
        return sign(self.direction)

    @property
    def perfect(self) -> float:
        """The best value."""
        return perfect(self.direction)

    def skill(self, value: float, trivial: float) -> float:
        """0 for a trivial prediction, 1 for a perfect one, see :func:`polytask.task.gain.skill`."""
        return skill(value, trivial, self.direction)

    def defined_on(self, targets: Tensor) -> bool:
        """Whether there are targets, of several values where they have to vary."""
        return len(targets) > 0 and not (self.varied and bool((targets == targets[0]).all()))

    def __call__(self, predictions: Tensor, targets: Tensor) -> float:
        """The metric, NaN where it is not defined (no row, one class only, constant targets).

        Args:
            predictions: ``[n]`` probabilities or values, or ``[n, C]`` probabilities; with ``[n, L]`` before for kinds
                with several targets per row.
            targets: ``[n]`` classes as indices, or values; or ``[n, L]`` of them, NaN where there is none.
        """
        if not self.defined_on(targets):
            return float("nan")
        if not bool(torch.isfinite(predictions).all()):
            return float("nan")
        return float(self.value(predictions, targets))

    def influences(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """``[n]`` float64, what each row contributes to the value: see :mod:`polytask.task.influence`.

        The standard error of the value is ``sqrt(sum influences^2) / n``.
        """
        influence = self.influence or by_groups(self.value)
        return influence(predictions, targets)


#: From predictions to indices of classes.
ToLabels = Callable[[Tensor], Tensor]


def _labels(predictions: Tensor) -> Tensor:
    return predictions.argmax(-1) if predictions.ndim == 2 else (predictions > 0.5).long()


def _classes(predictions: Tensor) -> int:
    return predictions.shape[1] if predictions.ndim == 2 else 2


def _right(p: Tensor, y: Tensor, labels: ToLabels = _labels) -> Tensor:
    return (labels(p) == y.long()).double()


def _accuracy(p: Tensor, y: Tensor, labels: ToLabels = _labels) -> Tensor:
    return _right(p, y, labels).mean()


def _confusion(p: Tensor, y: Tensor, labels: ToLabels) -> Tensor:
    return confusion(y, labels(p), _classes(p))


def _macro_f1(p: Tensor, y: Tensor, labels: ToLabels = _labels) -> Tensor:
    return macro_f1_of(_confusion(p, y, labels))


def _binary_f1(p: Tensor, y: Tensor) -> Tensor:
    return binary_f1_of(_confusion(p, y, _labels))


def _matthews(p: Tensor, y: Tensor, labels: ToLabels = _labels) -> Tensor:
    return matthews_of(_confusion(p, y, labels))


def _recalls(p: Tensor, y: Tensor, labels: ToLabels) -> Tensor:
    sizes = torch.bincount(y.long()).double()
    right = torch.bincount(y.long(), labels(p) == y.long(), minlength=len(sizes))
    return (right / sizes)[sizes > 0]


def _balanced_accuracy(p: Tensor, y: Tensor, labels: ToLabels = _labels) -> Tensor:
    return _recalls(p, y, labels).mean()


def _share_right(rows: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """Whether each row is right and positive, and whether it counts, for precision and recall of the positive class."""

    def parts(p: Tensor, y: Tensor, labels: ToLabels = _labels) -> tuple[Tensor, Tensor]:
        counted = rows(labels(p), y)
        return (counted & (labels(p) == y.long())).double(), counted.double()

    return parts


def _ratio(parts: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Tensor]:
    """Sum over sum, 0 where nothing counts."""

    def value(p: Tensor, y: Tensor, labels: ToLabels = _labels) -> Tensor:
        right, counted = parts(p, y, labels)
        return right.sum() / counted.sum().clamp_min(1)

    return value


_PREDICTED = _share_right(lambda found, _: found == 1)
_POSITIVE = _share_right(lambda _, y: y > 0.5)


def _f1(p: Tensor, y: Tensor, labels: ToLabels = _labels) -> Tensor:
    return _binary_f1(labels(p), y)


def _squared_probabilities(p: Tensor, y: Tensor) -> Tensor:
    """Squared error of every row: of the positive class's probability, or summed over several classes."""
    p = p.double()
    if p.ndim == 1:
        return (p - y) ** 2
    return ((p - torch.nn.functional.one_hot(y.long(), p.shape[1])) ** 2).sum(1)


def _brier(p: Tensor, y: Tensor) -> Tensor:
    return _squared_probabilities(p, y).mean()


def _impurity(y: Tensor) -> float:
    """Brier score of the shares of the classes."""
    share = torch.bincount(y.long()).double() / len(y)
    both = float(1 - (share**2).sum())
    return both / 2 if len(share) <= 2 else both


def _surprise(p: Tensor, y: Tensor) -> Tensor:
    p = p.double().clamp(1e-7, 1 - 1e-7)
    chosen = p.gather(1, y.long()[:, None])[:, 0] if p.ndim == 2 else torch.where(y > 0.5, p, 1 - p)
    return -chosen.log()


def _log_loss(p: Tensor, y: Tensor) -> Tensor:
    return _surprise(p, y).mean()


def _r2(p: Tensor, y: Tensor) -> Tensor:
    p, y = p.double(), y.double()
    return 1 - ((p - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def _rmse(p: Tensor, y: Tensor) -> Tensor:
    return ((p.double() - y.double()) ** 2).mean().sqrt()


def _mae(p: Tensor, y: Tensor) -> Tensor:
    return (p.double() - y.double()).abs().mean()


def _majority(y: Tensor) -> float:
    return float(torch.bincount(y.long()).max()) / len(y)


def _entropy(y: Tensor) -> float:
    share = torch.bincount(y.long()).double() / len(y)
    return float(-(share[share > 0] * share[share > 0].log()).sum())


def spread(y: Tensor) -> float:
    return float((y - y.median()).abs().mean())


@dataclass(frozen=True)
class Constant:
    """A trivial level that depends on no rows."""

    level: float

    def __call__(self, targets: Tensor) -> float:
        return self.level


def _of_labels(metric: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Mean of a binary metric over the labels for which both answers occur."""

    def value(p: Tensor, y: Tensor) -> Tensor:
        values = []
        for column in range(y.shape[1]):
            known = ~torch.isnan(y[:, column])
            answers = y[known, column]
            if bool((answers > 0.5).any()) and bool((answers < 0.5).any()):
                values.append(metric(p[known, column], answers))
        return torch.stack(values).mean() if values else torch.tensor(float("nan"))

    return value


def _ndcg_values(p: Tensor, y: Tensor) -> list[float | None]:
    """Per list, None without anything relevant."""
    known = ~torch.isnan(y)
    lists = [(p[i, known[i]], y[i, known[i]]) for i in range(len(y))]
    return [float(ndcg(scores, found.long())) if bool((found > 0).any()) else None for scores, found in lists]


def _ndcg(p: Tensor, y: Tensor) -> Tensor:
    """Mean over the lists with something relevant."""
    values = [value for value in _ndcg_values(p, y) if value is not None]
    return torch.tensor(values).mean() if values else torch.tensor(float("nan"))


def _dense_mae(p: Tensor, y: Tensor) -> Tensor:
    known = ~torch.isnan(y)
    return _mae(p[known], y[known])


def _token_accuracy(p: Tensor, y: Tensor) -> Tensor:
    known = ~torch.isnan(y)
    return _accuracy(p[known], y[known])


def _tag_names(p: Tensor, y: Tensor, classes: tuple[str, ...]) -> tuple[list[list[str]], list[list[str]]]:
    """Names of the true and of the predicted tags of every row."""
    known = ~torch.isnan(y)
    true, found = torch.nan_to_num(y).long(), p.argmax(-1)
    named = [[[classes[tag] for tag in tags[i, known[i]].tolist()] for i in range(len(y))] for tags in (true, found)]
    return named[0], named[1]


def _span_f1(p: Tensor, y: Tensor, classes: tuple[str, ...] = ()) -> Tensor:
    return torch.tensor(span_f1(*_tag_names(p, y, classes)))


def _rarer(y: Tensor) -> int:
    """Rows of the rarer of two classes."""
    positive = int((y > 0.5).sum())
    return min(positive, len(y) - positive)


def _rarest_label(y: Tensor) -> int:
    """Rows of the rarer answer, over all labels."""
    known = y[~torch.isnan(y)]
    return _rarer(known)


def _mann_whitney(y: Tensor) -> float:
    """Error of the area under the curve of a random order."""
    positive = int((y > 0.5).sum())
    negative = len(y) - positive
    return ((len(y) + 1) / (12 * positive * negative)) ** 0.5 if positive and negative else float("nan")


def uncorrelated(y: Tensor) -> float:
    return max(1, len(y) - 1) ** -0.5


def class_shares(y: Tensor) -> Tensor:
    """``[n, C]``, the shares of the classes as the prediction for every row."""
    shares = torch.bincount(y.long()).double() / len(y)
    return shares.expand(len(y), -1)


def _per_row(elements: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Sum and number of a term over the known targets of each row ``[n, L]``."""

    def parts(p: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        known = ~torch.isnan(y)
        values = torch.where(known, elements(p, torch.nan_to_num(y)).double(), 0.0)
        return values.flatten(1).sum(1), known.flatten(1).sum(1)

    return parts


def _span_parts(p: Tensor, y: Tensor, classes: tuple[str, ...] = ()) -> tuple[Tensor, Tensor]:
    counts = torch.tensor(span_counts(*_tag_names(p, y, classes)), dtype=torch.float64).view(-1, 3)
    return 2 * counts[:, 0], counts[:, 1] + counts[:, 2]


def _span_influence(p: Tensor, y: Tensor, classes: tuple[str, ...] = ()) -> Tensor:
    return of_ratio(lambda p, y: _span_parts(p, y, classes))(p, y).to(y.device)


_AREA: dict[str, Any] = {"counted": _rarer, "null_error": _mann_whitney}
#: What depends on which classes are predicted.
_THRESHOLD: dict[str, Any] = {"by_label": True, "moves_threshold": True}
_CORRELATION: dict[str, Any] = {"null_error": uncorrelated}


def _error(p: Tensor, y: Tensor) -> Tensor:
    return (p.double() - y.double()).abs()


def mean(y: Tensor) -> Tensor:
    return y.double().mean().expand(len(y))


def median(y: Tensor) -> Tensor:
    return y.double().median().expand(len(y))


# fmt: off
ROC_AUC = Metric("roc_auc", True, (), roc_auc, Constant(0.5), of_roc_auc, varied=True, **_AREA)
AVERAGE_PRECISION = Metric("average_precision", True, (), average_precision, lambda y: float(y.float().mean()),
                           of_average_precision, mean, counted=_rarer, varied=True)
ACCURACY = Metric("accuracy", True, (), _accuracy, _majority, of_mean(_right), class_shares, **_THRESHOLD)
MACRO_F1 = Metric("macro_f1", True, (), _macro_f1, Constant(0.0), of_confusion(macro_f1_of, _labels), **_THRESHOLD)
MATTHEWS = Metric("matthews", True, (), _matthews, Constant(0.0), of_confusion(matthews_of, _labels), **_THRESHOLD,
                  varied=True, **_CORRELATION)
LOG_LOSS = Metric("log_loss", False, (), _log_loss, _entropy, of_mean(_surprise), class_shares)
BALANCED_ACCURACY = Metric("balanced_accuracy", True, (), _balanced_accuracy, lambda y: 1 / len(torch.unique(y)),
                           of_confusion(balanced_accuracy_of, _labels), varied=True, **_THRESHOLD)
F1 = Metric("f1", True, (), _f1, lambda y: 2 * float(y.float().mean()) / (1 + float(y.float().mean())),
            of_confusion(binary_f1_of, _labels), torch.ones_like, counted=_rarer, **_THRESHOLD)
PRECISION = Metric("precision", True, (), _ratio(_PREDICTED), lambda y: float(y.float().mean()),
                   of_ratio(_PREDICTED), by_label=True, counted=_rarer)
RECALL = Metric("recall", True, (), _ratio(_POSITIVE), Constant(0.0), of_ratio(_POSITIVE), by_label=True,
                counted=_rarer, varied=True)
BRIER = Metric("brier", False, (), _brier, _impurity, of_mean(_squared_probabilities))
R2 = Metric("r2", True, (), _r2, Constant(0.0), of_r2, varied=True)
SPEARMAN = Metric("spearman", True, (), spearman, Constant(0.0), of_spearman, varied=True, **_CORRELATION)
PEARSON = Metric("pearson", True, (), pearson, Constant(0.0), of_pearson, varied=True, **_CORRELATION)
RMSE = Metric("rmse", False, (), _rmse, lambda y: float(y.double().std(unbiased=False)), of_rmse, mean, unit_power=1)
MAE = Metric("mae", False, (), _mae, spread, of_mean(_error), median, unit_power=1)
MEAN_ROC_AUC = Metric("mean_roc_auc", True, (), _of_labels(roc_auc), Constant(0.5), of_labels(of_roc_auc),
                      counted=_rarest_label)
MEAN_F1 = Metric("mean_f1", True, (), _of_labels(_binary_f1), Constant(0.0),
                 of_labels(of_confusion(binary_f1_of, _labels)))
NDCG = Metric("ndcg", True, (), _ndcg, lambda y: float(_ndcg(torch.zeros_like(y), y)), of_lists(_ndcg_values),
              torch.zeros_like)
SPAN_F1 = Metric("span_f1", True, (), _span_f1, Constant(0.0), _span_influence, by_name=True)
TOKEN_ACCURACY = Metric("token_accuracy", True, (), _token_accuracy, lambda y: _majority(y[~torch.isnan(y)]),
                        of_ratio(_per_row(lambda p, y: p.argmax(-1) == y.long())))
DENSE_MAE = Metric("dense_mae", False, (), _dense_mae, lambda y: spread(y[~torch.isnan(y)]),
                   of_ratio(_per_row(_error)))
# fmt: on
