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
from .metrics import Metric
from .weighted_losses import loss_problems, with_losses

#: The ignore index of class targets: "no label here".
IGNORED = -100


@dataclass(frozen=True)
class Task:
    """One target to predict: its kind, and from that its loss, its metric and the width of its head.

    Args:
        name: Name of the task; the key of its losses, metrics and predictions.
        kind: ``binary``, ``multiclass`` or ``regression``; with several targets per row ``multilabel``, ``tags`` (a
            class per token), ``dense`` (numbers for each place, such as pixels), ``ranking`` (relevances of a list of
            documents) or ``pairwise_ranking``.
        classes: Class labels in the order of their indices. Needed for ``multiclass`` and ``tags``, and as the names of
            the labels for ``multilabel`` and of the channels for ``dense`` (none for a single one); for ``binary`` two
            labels, negative first (default ``("0", "1")``); none for ``regression`` and rankings.
        weight: The user's weight, at least 0. It multiplies the weight that a balancer finds.
        metric: Name of the validation metric; the kind's default (``roc_auc``, ``accuracy``, ``r2``) if empty.
        center: Regression targets are trained as ``(y - center) / scale``.
        scale: See ``center``; more than 0.
        losses: Losses instead of the kind's own, with weights, such as ``{"squared": 1, "absolute": 0.5}``; see
            :attr:`polytask.task.Kind.losses`. Balancing is between tasks and sees their weighted sum.

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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"task {self.name!r}: unknown kind {self.kind!r}; {did_you_mean(self.kind, KINDS)}")
        object.__setattr__(self, "classes", tuple(str(label) for label in self.classes))
        pairs = self.losses.items() if isinstance(self.losses, Mapping) else self.losses
        object.__setattr__(self, "losses", tuple((str(name), float(weight)) for name, weight in pairs))
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
        if self.metric not in METRICS:
            yield f"{where}: unknown metric {self.metric!r}; {did_you_mean(self.metric, METRICS)}"
        elif self.kind not in METRICS[self.metric].kinds:
            fitting = [name for name, metric in METRICS.items() if self.kind in metric.kinds]
            yield f"{where}: metric {self.metric!r} does not fit a {self.kind} task; fitting: {', '.join(fitting)}"

    @property
    def definition(self) -> Kind:
        """The losses and predictions of this task's kind."""
        return with_losses(KINDS[self.kind], self.losses) if self.losses else KINDS[self.kind]

    @property
    def metric_definition(self) -> Metric:
        """How this task is measured, and which direction is better."""
        metric = METRICS[self.metric]
        given: dict[str, Any] = {"classes": self.classes} if metric.by_name else {}
        if metric.by_label:
            given["labels"] = KINDS[self.kind].labels
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
            return ((values.double() - self.center) / self.scale).float()
        return torch.where(values == IGNORED, torch.nan, values.float())
