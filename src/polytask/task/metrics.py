"""Metrics by name: direction, the level of a trivial prediction, and a value from outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .spans import span_f1

CLASS_KINDS = ("binary", "multiclass")


@dataclass(frozen=True)
class Metric:
    """How a task is measured.

    Attributes:
        name: Its name in results.
        higher_is_better: Direction.
        kinds: Kinds of tasks it fits.
        value: ``value(predictions, targets)``: predictions as :meth:`Kind.predict` gives them, observed rows only.
        trivial: Value that a constant prediction reaches on these targets, the floor of a normalised score.
        unit_power: 1 if the value is in the units of a regression target, else 0.
        by_name: ``value`` also takes ``classes``, the names of the task's classes.
    """

    name: str
    higher_is_better: bool
    kinds: tuple[str, ...]
    value: Callable[..., Tensor]
    trivial: Callable[[Tensor], float]
    unit_power: int = 0
    by_name: bool = False

    @property
    def direction(self) -> str:
        """``max`` if higher is better, else ``min``."""
        return "max" if self.higher_is_better else "min"

    def skill(self, value: float, trivial: float) -> float:
        """Skill score: 0 for a trivial prediction, 1 for a perfect one, negative below trivial.

        ``(value - trivial) / (perfect - trivial)``, with 1 as the perfect value of a metric to maximise and 0 of one to
        minimise. Unlike the value itself it can be compared among metrics, and near 0 it misleads nobody.
        """
        distance = (1.0 if self.higher_is_better else 0.0) - trivial
        return (value - trivial) / distance if distance else 0.0

    def __call__(self, predictions: Tensor, targets: Tensor) -> float:
        """The metric, NaN where it is not defined (no row, one class only, constant targets).

        Args:
            predictions: ``[n]`` probabilities or values, or ``[n, C]`` probabilities; with ``[n, L]`` before for kinds
                with several targets per row.
            targets: ``[n]`` classes as indices, or values; or ``[n, L]`` of them, NaN where there is none.
        """
        if len(targets) == 0 or (self.name in _NEEDS_VARIATION and bool((targets == targets[0]).all())):
            return float("nan")
        if not bool(torch.isfinite(predictions).all()):
            return float("nan")
        return float(self.value(predictions, targets))


_NEEDS_VARIATION = {"roc_auc", "average_precision", "r2", "spearman", "pearson", "matthews"}


def _torchmetrics() -> Any:
    """Loaded when first used: it takes seconds, and most commands measure nothing."""
    import torchmetrics.functional

    return torchmetrics.functional


def _labels(predictions: Tensor) -> Tensor:
    return predictions.argmax(-1) if predictions.ndim == 2 else (predictions > 0.5).long()


def _classes(predictions: Tensor) -> int:
    return predictions.shape[1] if predictions.ndim == 2 else 2


def _roc_auc(p: Tensor, y: Tensor) -> Tensor:
    return _torchmetrics().classification.binary_auroc(p, y.long())


def _average_precision(p: Tensor, y: Tensor) -> Tensor:
    return _torchmetrics().classification.binary_average_precision(p, y.long())


def _accuracy(p: Tensor, y: Tensor) -> Tensor:
    return (_labels(p) == y.long()).double().mean()


def _macro_f1(p: Tensor, y: Tensor) -> Tensor:
    score = _torchmetrics().classification.multiclass_f1_score
    return score(_labels(p), y.long(), num_classes=_classes(p), average="macro")


def _binary_f1(p: Tensor, y: Tensor) -> Tensor:
    return _torchmetrics().classification.binary_f1_score(p, y.long())


def _matthews(p: Tensor, y: Tensor) -> Tensor:
    return _torchmetrics().classification.multiclass_matthews_corrcoef(_labels(p), y.long(), num_classes=_classes(p))


def _log_loss(p: Tensor, y: Tensor) -> Tensor:
    p = p.double().clamp(1e-7, 1 - 1e-7)
    chosen = p.gather(1, y.long()[:, None])[:, 0] if p.ndim == 2 else torch.where(y > 0.5, p, 1 - p)
    return -chosen.log().mean()


def _r2(p: Tensor, y: Tensor) -> Tensor:
    p, y = p.double(), y.double()
    return 1 - ((p - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def _rmse(p: Tensor, y: Tensor) -> Tensor:
    return ((p.double() - y.double()) ** 2).mean().sqrt()


def _mae(p: Tensor, y: Tensor) -> Tensor:
    return (p.double() - y.double()).abs().mean()


def _spearman(p: Tensor, y: Tensor) -> Tensor:
    return _torchmetrics().spearman_corrcoef(p, y)


def _pearson(p: Tensor, y: Tensor) -> Tensor:
    return _torchmetrics().pearson_corrcoef(p, y)


def _majority(y: Tensor) -> float:
    return float(torch.bincount(y.long()).max()) / len(y)


def _entropy(y: Tensor) -> float:
    share = torch.bincount(y.long()).double() / len(y)
    return float(-(share[share > 0] * share[share > 0].log()).sum())


def _spread(y: Tensor) -> float:
    return float((y - y.median()).abs().mean())


def _constant(value: float) -> Callable[[Tensor], float]:
    return lambda targets: value


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


def _ndcg(p: Tensor, y: Tensor) -> Tensor:
    """Mean over the lists with something relevant."""
    score = _torchmetrics().retrieval.retrieval_normalized_dcg
    known = ~torch.isnan(y)
    lists = [(p[i, known[i]], y[i, known[i]]) for i in range(len(y)) if bool((y[i, known[i]] > 0).any())]
    values = [score(scores, relevance.long()) for scores, relevance in lists]
    return torch.stack(values).mean() if values else torch.tensor(float("nan"))


def _dense_mae(p: Tensor, y: Tensor) -> Tensor:
    known = ~torch.isnan(y)
    return _mae(p[known], y[known])


def _token_accuracy(p: Tensor, y: Tensor) -> Tensor:
    known = ~torch.isnan(y)
    return _accuracy(p[known], y[known])


def _span_f1(p: Tensor, y: Tensor, classes: tuple[str, ...] = ()) -> Tensor:
    known = ~torch.isnan(y)
    found, true = p.argmax(-1), torch.nan_to_num(y).long()
    return torch.tensor(span_f1(
        [[classes[tag] for tag in true[i, known[i]].tolist()] for i in range(len(y))],
        [[classes[tag] for tag in found[i, known[i]].tolist()] for i in range(len(y))],
    ))  # fmt: skip


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("roc_auc", True, ("binary",), _roc_auc, _constant(0.5)),
        Metric("average_precision", True, ("binary",), _average_precision, lambda y: float(y.float().mean())),
        Metric("accuracy", True, CLASS_KINDS, _accuracy, _majority),
        Metric("macro_f1", True, CLASS_KINDS, _macro_f1, _constant(0.0)),
        Metric("matthews", True, CLASS_KINDS, _matthews, _constant(0.0)),
        Metric("log_loss", False, CLASS_KINDS, _log_loss, _entropy),
        Metric("r2", True, ("regression",), _r2, _constant(0.0)),
        Metric("spearman", True, ("regression",), _spearman, _constant(0.0)),
        Metric("pearson", True, ("regression",), _pearson, _constant(0.0)),
        Metric("rmse", False, ("regression",), _rmse, lambda y: float(y.double().std(unbiased=False)), 1),
        Metric("mean_roc_auc", True, ("multilabel",), _of_labels(_roc_auc), _constant(0.5)),
        Metric("mean_f1", True, ("multilabel",), _of_labels(_binary_f1), _constant(0.0)),
        Metric("ndcg", True, ("ranking", "pairwise_ranking"), _ndcg, lambda y: float(_ndcg(torch.zeros_like(y), y))),
        Metric("span_f1", True, ("tags",), _span_f1, _constant(0.0), by_name=True),
        Metric("token_accuracy", True, ("tags",), _token_accuracy, lambda y: _majority(y[~torch.isnan(y)])),
        Metric("dense_mae", False, ("dense",), _dense_mae, lambda y: _spread(y[~torch.isnan(y)])),
        Metric("mae", False, ("regression",), _mae, _spread, 1),
    )
}
