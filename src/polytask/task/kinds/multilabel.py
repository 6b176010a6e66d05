"""Several yes-or-no labels of one question: one logit each, binary cross-entropy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError
from ..conformal import likely
from ..kind import SEPARATOR, Plot, WordsKind, cells, each_unit, without_nan
from ..metrics import MEAN_F1, MEAN_ROC_AUC
from ..plots.classes import calibration, precision_recall, roc
from .binary import KIND as BINARY

if TYPE_CHECKING:
    from ..task import Task

#: An item of a list: in single or double quotes, or without.
_ITEM = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"\s][^,]*)""")


def labels_of(cell: str) -> list[str]:
    """The labels of one cell.

    Lists as Python and pandas write them into files of text are split, too.

    Example:
        >>> labels_of("red; blue"), labels_of(";"), labels_of("['red', 'dark blue']"), labels_of("[]")
        (['red', 'blue'], [], ['red', 'dark blue'], [])
    """
    if cell.startswith("[") and cell.endswith("]"):
        return [word for parts in _ITEM.findall(cell[1:-1]) if (word := "".join(parts).strip())]
    return [label for part in cell.split(SEPARATOR) if (label := part.strip())]


class Multilabel(WordsKind):
    """Targets 0, 1 or NaN and outputs are ``[..., L]``, one per label."""

    name = "multilabel"
    about = "a set of labels: `a;b`, the empty set is `;`; or a list as Python writes it: `['a', 'b']`"
    least_classes = 1
    calibrated = True
    default_metric = "mean_roc_auc"
    metrics = (MEAN_ROC_AUC, MEAN_F1)
    of_one = BINARY.name
    words = "labels"
    holds = "sets of labels"
    separator = SEPARATOR
    empty = SEPARATOR

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.where(torch.isnan(targets), 0.0, BINARY.loss(outputs, without_nan(targets)))

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """That of a binary task for every label."""
        losses = BINARY.soft_loss(outputs, without_nan(teacher), temperature)
        return torch.where(torch.isnan(teacher), 0.0, losses)

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return BINARY.outputs_of(predictions)

    def predict(self, outputs: Tensor) -> Tensor:
        return BINARY.predict(outputs)

    def labels(self, predictions: Tensor) -> Tensor:
        return (predictions > 0.5).long()

    def summary(self, task: Task, targets: np.ndarray) -> dict[str, Any]:
        shares = np.nan_to_num((targets > 0.5).mean(0)).tolist() if len(targets) else []
        return {"shares": dict(zip(task.classes, shares, strict=False))}

    def plots(self, task: Task, predictions: Tensor, targets: Tensor, units: Tensor | None = None) -> list[Plot]:
        """Of all labels together; those of a row count as one."""
        known = ~torch.isnan(targets)
        p, y = predictions[known], targets[known]
        known_units = each_unit(known, units)
        drawn = (
            roc(p, y, task.threshold),
            precision_recall(p, y, task.threshold),
            calibration(p, y, units=known_units),
        )
        return [plot for plot in drawn if plot is not None]

    def nonconformity(self, predictions: Tensor, targets: Tensor) -> Tensor | None:
        """1 minus the probability of the least likely label of the row's set; 0 where it has none.

        Source: M. Cauchois, S. Gupta, J. Duchi, "Knowing What You Know: Valid and Validated Confidence Sets in
        Multiclass and Multilabel Prediction", JMLR 2021 (the outer set).
        """
        return torch.where(targets > 0.5, 1 - predictions, 0.0).amax(-1)

    def interval_names(self, task: Task) -> list[str]:
        return [f"{task.name}_set"]

    def interval(self, task: Task, predictions: Tensor, limit: float) -> tuple[Tensor, ...]:
        """Every label that is likely enough: the row's labels are among them."""
        return (likely(predictions, limit),)

    def width(self, classes: int) -> int:
        return max(1, classes)

    def length(self, classes: int) -> int | None:
        return classes

    def unseen(self, train: np.ndarray, later: np.ndarray) -> np.ndarray:
        return np.flatnonzero(later.any(0) & ~train.any(0))

    def by_label(self, task: Task) -> list[Task]:
        """A binary task for every label."""
        one = replace(task, kind=self.of_one, classes=(), metric="")
        return [replace(one, name=f"{task.name}: {label}") for label in task.classes]

    def words_of(self, cell: str) -> list[str]:
        return list(dict.fromkeys(labels_of(cell)))

    def target_of(self, places: Sequence[int], classes: int) -> Sequence[float]:
        return [float(place in places) for place in range(classes)]

    def infer(self, counts: Counter[str], per_row: float, at: str) -> tuple[tuple[str, ...], str]:
        """The labels in sorted order."""
        if not counts:
            raise UserError(f"{at}: no row has a label; expected cells such as a{SEPARATOR}b")
        return tuple(sorted(counts)), f"sets of {len(counts)} labels, {per_row:.1f} per row"

    def columns(self, task: Task, predictions: Tensor, texts: Sequence[str]) -> dict[str, np.ndarray | list[str]]:
        """The set of the likely labels, as in a table to train on, and every label's probability."""
        found: dict[str, np.ndarray | list[str]] = {task.name: cells(self.labels(predictions) > 0, task.classes)}
        shares = predictions.numpy()
        return found | {f"{task.name}_p_{label}": shares[:, place] for place, label in enumerate(task.classes)}


KIND = Multilabel()
