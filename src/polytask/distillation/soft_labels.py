"""Predictions of a teacher, stored once by row id, that replace a task's labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data import Batch
from ..task import Kind


@dataclass(frozen=True)
class SoftLabels:
    """The teacher's outputs for the rows of one task.

    Attributes:
        outputs: ``[n]`` or ``[n, C]`` logits (class kinds) or standardised values, by row id; any
            floating type, on any device.
        temperature: Softens the outputs of class kinds.
        weight: Factor of the distillation loss.
        mixture: Share of the distillation loss, the rest is the loss on true labels; 1 is soft labels only.
        unlabelled: Rows without a true label learn from the teacher, too.

    Source:
        Lu et al., NAACL 2022 Industry Track: the recorded predictions of the best parameters replace the labels.
    """

    outputs: Tensor
    temperature: float = 1.0
    weight: float = 1.0
    mixture: float = 1.0
    unlabelled: bool = False

    def loss(self, kind: Kind, outputs: Tensor, batch: Batch, task: int | None = None) -> Tensor:
        """``[B]`` loss of a student's ``outputs`` on the batch's rows.

        Args:
            kind: The task's kind.
            outputs: ``[B]`` or ``[B, C]`` of the student.
            batch: Its ids find the teacher's outputs.
            task: Column of the true labels; needed for a mixture below 1.
        """
        teacher = self.outputs[batch.ids.to(self.outputs.device)].to(outputs.device, outputs.dtype)
        soft = self.weight * kind.soft_loss(outputs, teacher, self.temperature)
        if self.mixture == 1.0 or task is None:
            return soft
        true = kind.loss(outputs, batch.targets[:, task])
        if self.unlabelled and batch.observed is not None:
            true = torch.where(batch.observed[:, task], true, soft)
        return self.mixture * soft + (1 - self.mixture) * true


def check_mixture(temperature: float, weight: float, mixture: float) -> list[str]:
    """Problems with the settings of soft labels, as sentences; empty if there are none."""
    problems = []
    if not 0 < temperature < math.inf:
        problems.append(f"temperature must be more than 0 and finite, found {temperature}")
    if not 0 < weight < math.inf:
        problems.append(f"kd_weight must be more than 0 and finite, found {weight}")
    if not 0 < mixture <= 1:
        problems.append(f"mixture must be more than 0 and at most 1, found {mixture}")
    return problems
