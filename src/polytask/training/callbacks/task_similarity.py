"""How alike the tasks of a training are, seen in their teachers or in the training's first steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...balancing.gradients import shared_rows
from ...distillation.cooperative import as_similarity, linear_cka, representation_similarity, similarity_matrix
from ...distillation.teacher import Teacher
from ...errors import UserError
from ...grouping.affinity.lookahead import untouched
from .affinity import AffinityProbe

if TYPE_CHECKING:
    from ...balancing import TaskLosses
    from ...data import Batch
    from ..loop import Training

SIMILARITIES = ("cka", "rsa", "grad_cos", "tag", "given")
#: Rows on which representations are compared; distances between all pairs are too many for more.
PROBE_ROWS = 1024
#: Similarities of the teachers' features.
MEASURES = {"cka": linear_cka, "rsa": representation_similarity}


class TaskSimilarity:
    """Similarity of tasks by one of :data:`SIMILARITIES`. What needs a training's steps leaves no trace in it.

    Args:
        measure: ``cka`` or ``rsa`` of the teachers' features of up to 1024 training rows; ``grad_cos``: mean cosine of
            the tasks' gradients by the shared parameters; ``tag``: task affinity; ``given``.
        matrix: ``[K, K]`` for ``given``, or an :class:`~polytask.Affinity`.
        every: Steps between measurements for ``grad_cos`` and ``tag``.
    """

    def __init__(self, measure: str, matrix: Any, every: int) -> None:
        self.measure, self.matrix, self.every = measure, matrix, every

    def start(self, training: Training) -> None:
        """Begin to measure anew."""
        tasks = len(training.tasks)
        #: Sums of the cosines, and their number.
        self.cosines = torch.zeros(2, tasks, tasks, dtype=torch.float64)
        self.affinity = AffinityProbe(self.every)
        if self.measure == "tag":
            self.affinity.start(training)

    def check(self, tasks: int) -> None:
        """Raise if the given similarities are not of so many tasks."""
        if self.measure != "given":
            return
        try:
            found: Any = list(self._given().shape)
        except (TypeError, ValueError):
            found = "rows that are no numbers or differ in length"
        if found != [tasks, tasks]:
            raise UserError(f"scd: matrix: expected similarities of {tasks} tasks, {[tasks, tasks]}, found {found}")

    def _given(self) -> np.ndarray:
        return np.asarray(getattr(self.matrix, "matrix", self.matrix), dtype=float)

    def before_step(self, training: Training, batch: Batch) -> None:
        """Take in the gradients of a batch."""
        if self.measure == "tag":
            self.affinity.before_step(training, batch)
        if self.measure != "grad_cos" or training.step % self.every:
            return
        with untouched(training.model):
            losses = training.objective(training.model.grouped(batch.inputs), batch)
            rows = shared_rows(losses.values, None, training.model.shared_parameters())
        flat = torch.nn.functional.normalize(torch.cat([row.flatten(1) for row in rows], 1).double()).cpu()
        present = losses.present.double().cpu()
        self.cosines += torch.stack([flat @ flat.T, torch.ones(len(flat), len(flat))]) * torch.outer(present, present)

    def after_forward(
        self, training: Training, batch: Batch, common: tuple[Tensor, ...] | None, losses: TaskLosses
    ) -> None:
        """Take in the losses of the training's own forward pass."""
        if self.measure == "tag":
            self.affinity.after_forward(training, batch, common, losses)

    def matrix_of(self, teachers: Sequence[Teacher]) -> np.ndarray:
        """``[K, K]``, symmetric, from 0 to 1, as far as measured."""
        if self.measure == "given":
            return as_similarity(self._given())
        if self.measure == "tag":
            return as_similarity(self.affinity.statistics.mean, scale=True)
        if self.measure == "grad_cos":
            return as_similarity((self.cosines[0] / self.cosines[1]).numpy())
        known = [teacher.features for teacher in teachers if teacher.features is not None]
        rows = torch.linspace(0, len(known[0]) - 1, min(PROBE_ROWS, len(known[0]))).long()
        sample = [part[rows.to(part.device)].cpu() for part in known]
        sample = [part.mean(1) if part.ndim == 3 else part for part in sample]
        return similarity_matrix(sample, MEASURES[self.measure])

    def state_dict(self) -> dict[str, Any]:
        """What has been measured."""
        return {"cosines": self.cosines, "affinity": self.affinity.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.cosines = state["cosines"]
        self.affinity.load_state_dict(state["affinity"])
