"""A class for every token: C logits each, cross-entropy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError
from ..kind import Plot, WordsKind, check_places, each_unit, without_nan
from ..metrics import SPAN_F1, TOKEN_ACCURACY
from .multiclass import KIND as MULTICLASS

if TYPE_CHECKING:
    from ..task import Task


class Tags(WordsKind):
    """Targets ``[..., T]`` are class indices or NaN, outputs logits ``[..., T, C]``."""

    name = "tags"
    about = "a tag for [every word of a text](text-and-images.md#a-tag-for-every-word): `O B-city I-city`"
    items = True
    vector_output = True
    calibrated = True
    least_classes = 2
    default_metric = "span_f1"
    metrics = (SPAN_F1, TOKEN_ACCURACY)
    of_one = MULTICLASS.name
    words = "tags"
    holds = "tags for every word"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        check_places(outputs.shape[-2], targets.shape[-1])
        return torch.where(torch.isnan(targets), 0.0, MULTICLASS.loss(outputs, without_nan(targets)))

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """That of a multiclass task for every token."""
        losses = MULTICLASS.soft_loss(outputs, without_nan(teacher), temperature)
        return torch.where(torch.isnan(teacher).any(-1), 0.0, losses)

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return MULTICLASS.outputs_of(predictions)

    def predict(self, outputs: Tensor) -> Tensor:
        return MULTICLASS.predict(outputs)

    def labels(self, predictions: Tensor) -> Tensor:
        return MULTICLASS.labels(predictions)

    def plots(self, task: Task, predictions: Tensor, targets: Tensor, units: Tensor | None = None) -> list[Plot]:
        """Of all words; those of a row count as one."""
        known = ~torch.isnan(targets)
        return MULTICLASS.plots(task, predictions[known], targets[known], each_unit(known, units))

    def checked(self, task: Task, labels: np.ndarray) -> tuple[Task, np.ndarray]:
        """Every word counts."""
        return replace(task, kind=self.of_one, metric="accuracy"), labels[~np.isnan(labels)]

    def by_label(self, task: Task) -> list[Task]:
        return []  # of words, not of rows

    def words_of(self, cell: str) -> list[str]:
        return cell.split()

    def target_of(self, places: Sequence[int], classes: int) -> Sequence[float]:
        return places

    def infer(self, counts: Counter[str], per_row: float, at: str) -> tuple[tuple[str, ...], str]:
        """The tags in sorted order."""
        if len(counts) < 2:
            found = f"every tag is {next(iter(counts))!r}" if counts else "no row has any"
            raise UserError(f"{at}: {found}; expected cells with a tag for every word, such as: O B-city I-city")
        return tuple(sorted(counts)), f"{len(counts)} tags, one per word, {per_row:.1f} per row"

    def column_names(self, task: Task) -> list[str]:
        return [task.name]

    def columns(self, task: Task, predictions: Tensor, texts: Sequence[str]) -> dict[str, np.ndarray | list[str]]:
        """The likely tag of every word."""
        return {task.name: tags_of(predictions.argmax(-1).numpy(), task.classes, texts)}

    def exported_about(self, task: Task) -> dict[str, Any]:
        return {"type": "float32 [n, words, classes], probabilities", "classes": list(task.classes)}


def tags_of(places: np.ndarray, classes: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Cells from predicted positions of classes ``[n, W]``: a tag for every word of the row's text.

    Example:
        >>> tags_of(np.array([[1, 0, 1], [1, 1, 1]]), ("B", "O"), ["to Boston", "now"])
        ['O B', 'O']
    """
    return [
        " ".join(classes[place] for place in row[: len(text.split())])
        for row, text in zip(places.tolist(), texts, strict=True)
    ]


KIND = Tags()
