"""Where the soft labels of converged tasks come from: stored once for all rows, or computed for every batch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from ...distillation import SoftLabelStore
from ...errors import DamagedFileError, UserError
from ...files import sync
from ...processes.collectives import rank
from ..evaluation import eval_mode, task_of_grouped
from .inference import TeacherOutputs, label_shape

if TYPE_CHECKING:
    from pathlib import Path

    from ...data import Batch
    from ...models import MultiTaskModel
    from ..loop import Training

#: Steps of the snapshots that are good for each task, by its position.
Best = Mapping[int, Sequence[int]]


class LabelSource(Protocol):
    """What :class:`~polytask.training.callbacks.converging.Converging` needs of it."""

    def record(self, chosen: Best, candidates: Best) -> None:
        """Take the snapshots ``chosen`` as teachers of their tasks; ``candidates`` may become teachers later."""

    def labels(self, position: int) -> tuple[Tensor | Callable[[Batch], Tensor], int | None]:
        """Outputs and column of a task, as :class:`~polytask.SoftLabels` takes them."""

    def needed(self) -> set[int]:
        """Steps whose snapshots a resumed run needs for the tasks that have converged."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""


class StoredLabels:
    """Teachers predict all training rows once; one store per group of tasks, in memory or mapped from a file.

    Args:
        training: The training.
        half: Two bytes per number.
        unlabelled: Also for rows without a label of the task.
    """

    def __init__(self, training: Training, half: bool, unlabelled: bool) -> None:
        self._training, self._half = training, half
        self._teachers = TeacherOutputs(training, unlabelled)
        self._stores: dict[int, SoftLabelStore] = {}
        self._written_at: dict[int, int] = {}
        self._digests: dict[int, str] = {}  # of the labels of the tasks that use them

    def record(self, chosen: Best, candidates: Best) -> None:
        for number, group in enumerate(self._training.objective.groups):
            positions = [position for position in group.tasks if position in chosen]
            if positions:
                self._open(number, renew=not self._digests.keys().isdisjoint(positions))
            for position in positions:
                outputs = self._teachers.of(position, chosen[position], {**candidates, **chosen})
                column = group.tasks.index(position)
                self._stores[number].fill(column, outputs)
                self._digests[position] = self._stores[number].digest(column)
            if positions and (file := self._file(number)) is not None:
                sync(file)
        self._teachers.keep_only(candidates)

    def labels(self, position: int) -> tuple[Tensor, int]:
        number, column = _place(self._training, position)
        return self._stores[number].values, column

    def needed(self) -> set[int]:
        return set()

    def _open(self, number: int, renew: bool) -> None:
        """Make the labels of a group ready to be written.

        A column in use is not written again, the whole is copied: a run resumed from before a refresh finds the labels
        of that time.
        """
        if number in self._stores and not renew:
            return
        old = self._file(number) if renew else None
        self._written_at[number] = self._training.step
        new = self._file(number)
        if new is not None:
            new.unlink(missing_ok=True)  # of an interrupted run
            if old is not None:
                shutil.copyfile(old, new)
        if new is not None or number not in self._stores:
            self._stores[number] = self._store(number)

    def _store(self, number: int) -> SoftLabelStore:
        group = self._training.objective.groups[number]
        rows, *rest = label_shape(self._training, group.tasks[0])
        shape = (rows, len(group.tasks), *rest)
        return SoftLabelStore(group.kind, shape, self._file(number), self._half, self._training.device)

    def _file(self, number: int, process: int | None = None) -> Path | None:
        folder, process = self._training.folder, rank() if process is None else process
        return folder / "soft_labels" / f"{number}.{self._written_at[number]}.{process}.bin" if folder else None

    def state_dict(self) -> dict[str, Any]:
        return {
            "written_at": list(self._written_at.items()),
            "digests": sorted(self._digests.items()),
            "teachers": self._teachers.state_dict(),
            "steps": self._training.total,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._written_at, self._digests = dict(state["written_at"]), dict(state["digests"])
        self._teachers.load_state_dict(state["teachers"])
        steps = self._training.total
        if self._digests and steps > state["steps"]:  # their rows are those that were left to draw
            raise UserError(
                f"steps: soft labels were recorded for a training of {state['steps']} steps, found {steps}; "
                "give the same number, or start the training again"
            )
        for number in self._written_at if self._training.folder else ():  # in memory they are as they were
            self._take_up(number)

    def _take_up(self, number: int) -> None:
        """Map labels that were recorded earlier; a process that was not there then takes those of the first."""
        own, first = self._file(number), self._file(number, 0)
        for source in (own, first):
            if own is not None and source is not None and source.exists():
                if source != own:
                    shutil.copyfile(source, own)
                self._stores[number] = self._store(number)
                if self._as_recorded(number):
                    return
        fault = "damaged or truncated" if first is not None and first.exists() else "file not found"
        raise DamagedFileError(f"{first}: {fault}; restore the file or make the run again")

    def _as_recorded(self, number: int) -> bool:
        tasks = enumerate(self._training.objective.groups[number].tasks)
        store, digests = self._stores[number], self._digests
        return all(store.digest(column) == digests[task] for column, task in tasks if task in digests)


class OnlineLabels:
    """Frozen snapshots predict every batch as the network sees it, for inputs that change from epoch to epoch.

    Nothing is stored, but every step costs a forward pass per snapshot in use.
    """

    def __init__(self, training: Training) -> None:
        self._training = training
        self._steps: dict[int, list[int]] = {}
        self._frozen: dict[int, FrozenTeacher] = {}

    def record(self, chosen: Best, candidates: Best) -> None:
        self._steps |= {position: list(steps) for position, steps in chosen.items()}
        self._frozen = {step: self._frozen.get(step) or self._freeze(step) for step in sorted(self.needed())}

    def _freeze(self, step: int) -> FrozenTeacher:
        return FrozenTeacher(self._training.network_at(step).requires_grad_(False))

    def labels(self, position: int) -> tuple[Callable[[Batch], Tensor], None]:
        teachers = [self._frozen[step] for step in self._steps[position]]
        return partial(_mean_of, teachers, position), None

    def needed(self) -> set[int]:
        return {step for steps in self._steps.values() for step in steps}

    def state_dict(self) -> dict[str, Any]:
        return {"steps": [[position, steps] for position, steps in self._steps.items()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.record(dict(state["steps"]), {})


class FrozenTeacher:
    """A network in evaluation mode without gradients that predicts a batch once, however many tasks ask."""

    def __init__(self, model: MultiTaskModel) -> None:
        self.model = model
        self._batch: Batch | None = None
        self._grouped: list[Tensor] = []

    def outputs(self, batch: Batch, position: int) -> Tensor:
        """``[B]`` or ``[B, C]`` outputs for one task."""
        if batch is not self._batch:
            with eval_mode(self.model):
                self._batch, self._grouped = batch, self.model.grouped(batch.inputs)
        return task_of_grouped(self.model, self._grouped, position).float()


def _mean_of(teachers: Sequence[FrozenTeacher], position: int, batch: Batch) -> Tensor:
    kind = teachers[0].model.tasks[position].definition
    return kind.average([teacher.outputs(batch, position) for teacher in teachers])


def _place(training: Training, position: int) -> tuple[int, int]:
    """Number of a task's group, and its column there."""
    for number, group in enumerate(training.objective.groups):
        if position in group.tasks:
            return number, group.tasks.index(position)
    raise IndexError(position)
