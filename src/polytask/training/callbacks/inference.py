"""What earlier parameters predict for the training rows: the teachers' side of soft labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...distillation import let_go, map_labels
from ..evaluation import shared_inference

if TYPE_CHECKING:
    from pathlib import Path

    from ..loop import Training

#: A task's position and the step of a snapshot.
Key = tuple[int, int]


@dataclass(frozen=True)
class Inference:
    """Which rows a snapshot was inferred for.

    Attributes:
        begin: Those that were drawn from this step; None for all.
        positions: Those with a label of one of these tasks.
    """

    begin: int | None
    positions: tuple[int, ...]


class TeacherOutputs:
    """Outputs of snapshots for all training rows, kept while a task may need them.

    A snapshot is inferred once for all tasks that have it among their best evaluations, also for those that converge
    later, and only on rows that the training will still draw. Several processes infer a share of the rows each. A
    resumed training infers again what it needs, for the rows of the first time: what a network predicts for a row may
    depend, in the last bit, on how many rows there are.

    Args:
        training: Its snapshots, rows and tasks.
        unlabelled: Infer also rows that have no label of the tasks in question.
    """

    def __init__(self, training: Training, unlabelled: bool) -> None:
        self._training, self._unlabelled = training, unlabelled
        self._known: dict[Key, Tensor] = {}
        self._made: dict[Key, Inference] = {}

    def of(self, position: int, steps: Sequence[int], best: Mapping[int, Sequence[int]]) -> list[Tensor]:
        """``[n]`` or ``[n, C]`` outputs of some snapshots for one task.

        Args:
            position: The task's.
            steps: The snapshots'.
            best: Steps of the snapshots that each task may need, by its position.
        """
        for step in sorted(steps):
            if (position, step) in self._known:
                continue
            made = self._made.get((position, step))
            if made is None:
                alike = self._sharing_rows(position, best)
                made = Inference(self._begin(), tuple(task for task in alike if step in best[task]))
                self._made |= {(task, step): made for task in made.positions}
            self._infer(step, made)
        return [self._known[position, step] for step in steps]

    def _begin(self) -> int | None:
        return None if self._training.rows_ahead(self._training.step) is None else self._training.step

    def _sharing_rows(self, position: int, tasks: Iterable[int]) -> list[int]:
        """Those of ``tasks`` with a label on rows of ``position``; others would gain nothing from its inference."""
        observed = self._training.train.observed
        if observed is None or self._unlabelled:
            return list(tasks)
        shared = observed[observed[:, position]].any(0).tolist()
        return [task for task in tasks if shared[task]]

    def _infer(self, step: int, made: Inference) -> None:
        teacher, rows = self._training.network_at(step), self._training.train
        wanted = None if made.begin is None else self._training.rows_ahead(made.begin)
        if rows.observed is not None and not self._unlabelled:
            labelled = rows.observed[:, list(made.positions)].any(1)
            wanted = labelled if wanted is None else labelled & wanted
        positions = [position for position in made.positions if self._made.get((position, step)) == made]
        spaces = [self._space(position, step) for position in positions]
        for ids, outputs in shared_inference(teacher, rows, positions, wanted=wanted):
            for space, output in zip(spaces, outputs, strict=True):
                space[ids] = output.to(space.device)
                let_go(space)
        self._known |= {(position, step): space for position, space in zip(positions, spaces, strict=True)}

    def _space(self, position: int, step: int) -> Tensor:
        shape = label_shape(self._training, position)
        path = self._file((position, step))
        if path is None:
            return torch.zeros(shape, device=self._training.device)
        path.unlink(missing_ok=True)  # of an interrupted run
        return map_labels(path, shape)

    def _file(self, key: Key) -> Path | None:
        position, step = key
        return self._training.snapshots.beside(step, str(position))

    def keep_only(self, best: Mapping[int, Iterable[int]]) -> None:
        """Drop what no task needs any more, see :meth:`of`."""
        for key in [key for key in self._made if key[1] not in best.get(key[0], ())]:
            del self._made[key]
            self._known.pop(key, None)
            if path := self._file(key):
                path.unlink(missing_ok=True)

    def state_dict(self) -> list[Any]:
        """What a resumed training needs to infer the same again."""
        return [[key, made.begin, made.positions] for key, made in self._made.items()]

    def load_state_dict(self, state: list[Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self._made = {tuple(key): Inference(begin, tuple(positions)) for key, begin, positions in state}


def label_shape(training: Training, position: int) -> tuple[int, ...]:
    """Shape of one task's soft labels."""
    task, rows = training.tasks[position], training.train
    length = rows.wide[position].shape[1:] if position in rows.wide else ()
    return (len(rows), *length, task.width) if task.definition.vector_output else (len(rows), *length)
