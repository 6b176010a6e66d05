"""What earlier parameters predict for the training rows: the teachers' side of soft labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...distillation import map_labels
from ..evaluation import shared_inference

if TYPE_CHECKING:
    from pathlib import Path

    from ..loop import Training

#: A task's position and the step of a snapshot.
Key = tuple[int, int]


class TeacherOutputs:
    """Outputs of snapshots for all training rows, kept while a task may need them.

    A snapshot is inferred once for all tasks that have it among their best evaluations, also for those that converge
    later, and only on rows that the training will still draw. Several processes infer a share of the rows each.

    Args:
        training: Its snapshots, rows and tasks.
        unlabelled: Infer also rows that have no label of the tasks in question.
    """

    def __init__(self, training: Training, unlabelled: bool) -> None:
        self._training, self._unlabelled = training, unlabelled
        self._known: dict[Key, Tensor] = {}

    def of(self, position: int, steps: Sequence[int], best: Mapping[int, Sequence[int]]) -> list[Tensor]:
        """``[n]`` or ``[n, C]`` outputs of some snapshots for one task.

        Args:
            position: The task's.
            steps: The snapshots'.
            best: Steps of the snapshots that each task may need, by its position.
        """
        missing = [step for step in sorted(steps) if (position, step) not in self._known]
        if missing:
            alike, drawn = self._sharing_rows(position, best), self._training.rows_ahead()
            for step in missing:
                self._infer(step, [task for task in alike if step in best[task]], drawn)
        return [self._known[position, step] for step in steps]

    def _sharing_rows(self, position: int, tasks: Iterable[int]) -> list[int]:
        """Those of ``tasks`` with a label on rows of ``position``; others would gain nothing from its inference."""
        observed = self._training.train.observed
        if observed is None or self._unlabelled:
            return list(tasks)
        shared = observed[observed[:, position]].any(0).tolist()
        return [task for task in tasks if shared[task]]

    def _infer(self, step: int, positions: Sequence[int], drawn: Tensor | None) -> None:
        teacher = self._training.network_at(step)
        rows, wanted = self._training.train, drawn
        if rows.observed is not None and not self._unlabelled:
            wanted = rows.observed[:, list(positions)].any(1)
            wanted = wanted if drawn is None else wanted & drawn
        spaces = [self._space(position, step) for position in positions]
        for ids, outputs in shared_inference(teacher, rows, positions, wanted=wanted):
            for space, output in zip(spaces, outputs, strict=True):
                space[ids] = output.to(space.device)
        self._known |= {(position, step): space for position, space in zip(positions, spaces, strict=True)}

    def _space(self, position: int, step: int) -> Tensor:
        shape = label_shape(self._training, position)
        path = self._file((position, step))
        if path is None:
            return torch.zeros(shape, device=self._training.fabric.device)
        path.unlink(missing_ok=True)  # of an interrupted run
        return map_labels(path, shape)

    def _file(self, key: Key) -> Path | None:
        position, step = key
        return self._training.snapshots.beside(step, str(position))

    def keep_only(self, best: Mapping[int, Iterable[int]]) -> None:
        """Drop what no task needs any more, see :meth:`of`."""
        for key in [key for key in self._known if key[1] not in best.get(key[0], ())]:
            del self._known[key]
            if path := self._file(key):
                path.unlink(missing_ok=True)


def label_shape(training: Training, position: int) -> tuple[int, ...]:
    """Shape of one task's soft labels."""
    task, rows = training.tasks[position], training.train
    length = rows.wide[position].shape[1:] if position in rows.wide else ()
    return (len(rows), *length, task.width) if task.definition.vector_output else (len(rows), *length)
