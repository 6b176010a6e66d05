"""Predictions of a teacher, stored once by row id, that replace a task's labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..data import Batch
from ..task import Kind


@dataclass(frozen=True)
class SoftLabels:
    """The teacher's outputs for the rows of one task.

    Attributes:
        outputs: ``[n]`` or ``[n, C]`` logits (class kinds) or standardised values, by row id; any
            floating type, on any device. With a ``column``: ``[n, k]`` or ``[n, k, C]`` of several tasks side by side.
            Or a function of the batch that gives the teacher's outputs for its rows (an online teacher).
        temperature: Softens the outputs of class kinds.
        weight: Factor of the distillation loss.
        unlabelled: Rows without a true label learn from the teacher, too.
        column: The task's index in ``outputs``.
        soft_loss: ``own``: the distance of the task's kind; or one of :attr:`~polytask.task.Kind.soft_losses`.

    Source:
        Lu et al., NAACL 2022 Industry Track: the recorded predictions of the best parameters replace the labels.
    """

    outputs: Tensor | Callable[[Batch], Tensor]
    temperature: float = 1.0
    weight: float = 1.0
    unlabelled: bool = False
    column: int | None = None
    soft_loss: str = "own"

    @property
    def settings(self) -> tuple[float, float, bool, str]:
        """All but the outputs: tasks of one kind that agree in it can be computed together."""
        return self.temperature, self.weight, self.unlabelled, self.soft_loss

    def of(self, batch: Batch) -> Tensor:
        """``[B]`` or ``[B, C]`` outputs of the teacher for the rows of a batch."""
        if not isinstance(self.outputs, Tensor):
            return self.outputs(batch)
        outputs = take_rows(self.outputs, batch.ids)
        return outputs if self.column is None else outputs[:, self.column]

    def loss(self, kind: Kind, outputs: Tensor, teacher: Tensor) -> Tensor:
        """Weighted distance of every element of a student's ``outputs`` to the teacher's."""
        distance = kind.soft_losses.get(self.soft_loss, kind.soft_loss)
        soft = distance(outputs, teacher, self.temperature)
        return soft if self.weight == 1.0 else self.weight * soft


def take_rows(outputs: Tensor, ids: Tensor) -> Tensor:
    """Some rows of stored outputs, wherever these are."""
    return outputs.index_select(0, ids.to(outputs.device))


def check_soft_labels(temperature: float, weight: float) -> list[str]:
    """Problems with the settings of soft labels, as sentences; empty if there are none."""
    problems = []
    if not 0 < temperature < math.inf:
        problems.append(f"temperature must be more than 0 and finite, found {temperature}")
    if not 0 < weight < math.inf:
        problems.append(f"kd_weight must be more than 0 and finite, found {weight}")
    return problems
