"""What one target is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..errors import UserError, did_you_mean
from .kind import Kind, class_problems
from .kinds import KINDS, METRICS
from .losses import GAMMA
from .metrics import Metric
from .predicted import (
    imbalance_problems,
    temperature_problems,
    unit_problems,
    with_bounds,
    with_temperature,
    with_threshold,
)
from .units import TRANSFORMS
from .weighted_losses import loss_problems, with_losses

#: The ignore index of class targets: "no label here".
IGNORED = -100


@dataclass(frozen=True)
class Task:
    """One target to predict: its kind, and from that its loss, its metric and the width of its head.

    Args:
        name: Name of the task; the key of its losses, metrics and predictions.
        kind: ``binary``, ``multiclass`` or ``regression``; with several targets per row ``multilabel``, ``tags`` (a
            class per token), ``dense`` (numbers for each position, such as pixels), ``ranking`` (relevances of a
            list of documents) or ``pairwise_ranking``.
        classes: Class labels in the order of their indices. Needed for ``multiclass`` and ``tags``, and as the names of
            the labels for ``multilabel`` and of the channels for ``dense`` (none for a single one); for ``binary`` two
            labels, negative first (default ``("0", "1")``); none for ``regression`` and rankings.
        weight: The user's weight, at least 0. It multiplies the weight that a balancer finds.
        metric: Name of the validation metric; the kind's default (``roc_auc``, ``accuracy``, ``r2``) if empty.
        center: Regression targets are trained as ``(y - center) / scale``.
        scale: See ``center``; more than 0.
        losses: Losses instead of the kind's own, with weights, such as ``{"squared": 1, "absolute": 0.5}``; see
            :attr:`polytask.task.Kind.losses`. Balancing is between tasks and sees their weighted sum.
        also: Names of further metrics to report; nothing is decided by them.
        gamma: Focusing parameter of the loss ``focal``, at least 0.
        class_weights: How much a row counts in training by its class: a number for each class, or ``balanced`` for
            ``n / (classes * rows of the class)``.
        threshold: Probability from which the positive class is predicted.
        temperature: Logits are divided by it before they become probabilities; what validation finds calibrates them.
        transform: Numbers are trained as ``(t(y) - center) / scale``, t being ``log``, ``quantile`` or what ``auto``
            finds, see :data:`polytask.task.units.TRANSFORMS`; once its parameters are known
            (:func:`polytask.standardise`).
        parameters: Parameters of the transformation.
        low: No prediction of a number is below this.
        high: No prediction of a number is above this.

    Raises:
        UserError: If a value is not usable; all mistakes at once.

    Example:
        >>> Task("click", kind="binary").metric
        'roc_auc'
        >>> Task("topic", kind="multiclass", classes=("news", "sport", "arts")).width
        3
    """

    name: str
    kind: str = "binary"
    classes: tuple[str, ...] = ()
    weight: float = 1.0
    metric: str = ""
    center: float = 0.0
    scale: float = 1.0
    losses: tuple[tuple[str, float], ...] = ()
    also: tuple[str, ...] = ()
    gamma: float = GAMMA
    class_weights: tuple[float, ...] | str = ()
    threshold: float = 0.5
    temperature: float = 1.0
    transform: str = ""
    parameters: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"task {self.name!r}: unknown kind {self.kind!r}; {did_you_mean(self.kind, KINDS)}")
        object.__setattr__(self, "classes", tuple(str(label) for label in self.classes))
        pairs = self.losses.items() if isinstance(self.losses, Mapping) else self.losses
        object.__setattr__(self, "losses", tuple((str(name), float(weight)) for name, weight in pairs))
        for field in ("also", "parameters"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if not isinstance(self.class_weights, str):
            object.__setattr__(self, "class_weights", tuple(map(float, self.class_weights)))
        if not self.classes:
            object.__setattr__(self, "classes", KINDS[self.kind].default_classes)
        if not self.metric:
            object.__setattr__(self, "metric", KINDS[self.kind].default_metric)
        problems = list(self._problems())
        if problems:
            raise UserError(*problems)

    def _problems(self) -> Any:
        where = f"task {self.name!r}"
        yield from (f"{where}: {problem}" for problem in class_problems(KINDS[self.kind], self.classes))
        if not self.weight >= 0 or self.weight == float("inf"):
            yield f"{where}: weight must be a number of at least 0, found {self.weight}"
        if not self.scale > 0:
            yield f"{where}: scale must be more than 0, found {self.scale}"
        if self.losses:
            yield from (f"{where}: {problem}" for problem in loss_problems(self.kind, dict(self.losses)))
        for name in dict.fromkeys(self.metrics):
            if name not in METRICS:
                yield f"{where}: unknown metric {name!r}; {did_you_mean(name, METRICS)}"
            elif self.kind not in METRICS[name].kinds:
                fitting = [known for known, metric in METRICS.items() if self.kind in metric.kinds]
                yield f"{where}: metric {name!r} does not fit a {self.kind} task; fitting: {', '.join(fitting)}"
        if len(set(self.metrics)) != len(self.metrics):
            yield f"{where}: metrics repeat: {', '.join(self.metrics)}"
        yield from (f"{where}: {problem}" for problem in imbalance_problems(self))
        yield from (f"{where}: {problem}" for problem in (*unit_problems(self), *temperature_problems(self)))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics that are reported; the first decides."""
        return (self.metric, *self.also)

    @property
    def trained_kind(self) -> Kind:
        """The losses of this task; tasks that share it are computed together."""
        return with_losses(KINDS[self.kind], self.losses, self.gamma) if self.losses else KINDS[self.kind]

    @property
    def definition(self) -> Kind:
        """The losses and predictions of this task."""
        kind = self.trained_kind
        if self.temperature != 1.0:
            kind = with_temperature(kind, self.temperature)
        if self.threshold != 0.5:
            kind = with_threshold(kind, self.threshold)
        if self.low is not None or self.high is not None:
            kind = with_bounds(kind, self._bound(self.low), self._bound(self.high))
        return kind

    @property
    def metric_definition(self) -> Metric:
        """How this task is measured, and which direction is better."""
        return self.defined_metric(self.metric)

    def defined_metric(self, name: str) -> Metric:
        """One of :attr:`metrics` for this task."""
        metric = METRICS[name]
        given: dict[str, Any] = {"classes": self.classes} if metric.by_name else {}
        if metric.by_label:
            given["labels"] = self.definition.labels
        if not given:
            return metric
        influence = metric.influence and partial(metric.influence, **given)
        return replace(metric, value=partial(metric.value, **given), influence=influence)

    @property
    def width(self) -> int:
        """Number of outputs of this task's head."""
        return KINDS[self.kind].width(len(self.classes))

    def standardised(self, values: Tensor) -> Tensor:
        """Targets as they are trained, float32 with NaN for "no label": numbers as ``(y - center) / scale``, class
        indices as they are, and the ignore index -100 as no label."""
        if KINDS[self.kind].numeric:
            return self.trained(values).float()
        return torch.where(values == IGNORED, torch.nan, values.float())

    def trained(self, values: Tensor) -> Tensor:
        """Numbers in the units of training, float64: ``(t(y) - center) / scale``."""
        values = values.double()
        if self.parameters:
            values = TRANSFORMS[self.transform].forward(values, self.parameters)
        return (values - self.center) / self.scale

    def in_units(self, values: Tensor) -> Tensor:
        """The inverse of :meth:`trained`, float64, within the task's bounds.

        Example:
            >>> task = Task("cost", kind="regression", center=2.0, scale=3.0, low=0.0)
            >>> task.in_units(torch.tensor([-1.0, 1.0])).tolist()
            [0.0, 5.0]
        """
        values = values.double() * self.scale + self.center
        if self.parameters:
            values = TRANSFORMS[self.transform].inverse(values, self.parameters)
        return values if self.low is None and self.high is None else values.clamp(self.low, self.high)

    def measured_targets(self, targets: Tensor, metric: Metric) -> tuple[Tensor, float]:
        """Stored targets as a metric takes them, transformed ones in units of labels, and the unit of its value."""
        if self.parameters:
            return self.in_units(targets), 1.0
        return targets, self.scale**metric.unit_power

    def measured(self, outputs: Tensor, targets: Tensor, metric: Metric) -> tuple[Tensor, Tensor, float]:
        """Predictions of raw outputs and stored targets as a metric takes them, and the unit of its value."""
        predictions = self.definition.predict(outputs)
        targets, unit = self.measured_targets(targets, metric)
        return self.in_units(predictions) if self.parameters else predictions, targets, unit

    def _bound(self, value: float | None) -> Tensor | None:
        """A bound in units of training; a tensor, as exporters follow no tensor that becomes a number."""
        return None if value is None else self.trained(torch.tensor(value, dtype=torch.float64))
