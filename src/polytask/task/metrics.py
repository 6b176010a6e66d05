"""Metrics by name: direction, the level of a trivial prediction, and a value from outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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
    """

    name: str
    higher_is_better: bool
    kinds: tuple[str, ...]
    value: Callable[[Tensor, Tensor], Tensor]
    trivial: Callable[[Tensor], float]
    unit_power: int = 0

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
            predictions: ``[n]`` probabilities or values, or ``[n, C]`` probabilities.
            targets: ``[n]`` classes as indices, or values.
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


def _constant(value: float) -> Callable[[Tensor], float]:
    return lambda targets: value


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
        Metric("mae", False, ("regression",), _mae, lambda y: float((y - y.median()).abs().mean()), 1),
    )
}
