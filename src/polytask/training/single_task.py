"""Teachers: single-task models trained to their best validation metric and kept as files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import Decides, TrainingSettings, deciding
from ..data import Data, FileInput, Items, Rows
from ..data.rows import map_inputs
from ..display.display import Progress
from ..distillation.teacher import Teacher
from ..errors import UserError
from ..files import read_json, write_json
from ..models import MultiTaskModel
from ..processes.collectives import is_first, wait_for_all
from ..task import Task
from .events import EventLog
from .fit import TrainingResult, fit, labelled_rows

FINGERPRINT = "teacher.json"


def train_teacher(
    model: MultiTaskModel,
    *,
    train: Rows,
    validation: Rows,
    settings: TrainingSettings | None = None,
    seed: int = 0,
    folder: Path | None = None,
    log: EventLog | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a model for one task on the rows that have a label for it, or read it if that has been done.

    Args:
        model: Of one task, with its first weights.
        train: Rows with the column of that task alone.
        validation: Rows with the column of that task alone.
        settings: As for :func:`polytask.fit`.
        seed: As for :func:`polytask.fit`.
        folder: Where the teacher is kept. It is used again if its fingerprint (task, data, first weights, settings,
            seed) is that of this call.
        log: Where events go.
        progress: As for :func:`polytask.fit`.

    Raises:
        UserError: If the folder holds a teacher with another fingerprint.
    """
    (task,) = model.tasks
    settings = settings or TrainingSettings()
    if folder is not None:
        about = {"task": asdict(task), "settings": settings_that_decide(settings), "seed": seed}
        _check_fingerprint(folder, task, fingerprint(about, model.state_dict(), train, validation))
    return fit(
        model,
        train=_labelled(train),
        validation=_labelled(validation),
        settings=settings,
        seed=seed,
        folder=folder,
        log=log,
        name=f"teacher.{task.name}",
        progress=progress,
    )


def train_teachers(
    make: Callable[[Task], MultiTaskModel],
    tasks: Sequence[Task],
    *,
    train: Data,
    validation: Data,
    settings: TrainingSettings | None = None,
    seed: int = 0,
    folder: Path | None = None,
    log: EventLog | None = None,
    progress: Progress | None = None,
) -> dict[str, Teacher]:
    """A teacher per task, with its predictions for all rows of ``train``.

    Args:
        make: Makes the fresh model of one task.
        tasks: The student's tasks.
        train: The student's training rows, in any form that :func:`polytask.fit` takes.
        validation: Its validation rows, in any such form.
        settings: Settings of every teacher's training.
        seed: Seed of every teacher's training.
        folder: Teachers are kept in folders of it, see :func:`train_teacher`.
        log: Where events go.
        progress: As for :func:`polytask.fit`, for every teacher in turn.

    Raises:
        UserError: If data and tasks do not fit.
    """
    rows, held = labelled_rows(train, tasks, "train"), labelled_rows(validation, tasks, "validation")
    teachers = {}
    for position, task in enumerate(tasks):
        result = train_teacher(
            make(task),
            train=rows.only_tasks([position]),
            validation=held.only_tasks([position]),
            settings=settings,
            seed=seed,
            folder=folder / str(position) if folder else None,
            log=log,
            progress=progress,
        )
        teachers[task.name] = teacher_of(result, task, rows)
    return teachers


def teacher_of(result: TrainingResult, task: Task, rows: Rows) -> Teacher:
    """What a trained model for ``task`` predicts for some rows."""
    return Teacher.from_model(result.model, task, rows, level=result.tasks[task.name].validation)


def fingerprint(about: Any, weights: Mapping[str, Tensor], *parts: Rows) -> str:
    """SHA-256 of a description, weights and labelled rows."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode())

    def add(leaf: Any) -> None:
        if isinstance(leaf, FileInput | Items):
            digest.update(leaf.fingerprint.encode())
        parts = [leaf] if isinstance(leaf, Tensor) else [part for part in vars(leaf).values() if torch.is_tensor(part)]
        for tensor in parts:
            digest.update(f"{tensor.dtype}{list(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())

    for name, value in weights.items():
        digest.update(name.encode())
        add(value)
    for rows in parts:
        map_inputs(rows.inputs, add)
        add(rows.targets)
        for leaf in (rows.observed, rows.weights, *(rows.wide[task] for task in sorted(rows.wide))):
            if leaf is not None:
                add(leaf)
    return digest.hexdigest()


def settings_that_decide(settings: TrainingSettings) -> dict[str, Any]:
    """The settings that change what is learned."""
    return settings.model_dump(exclude=deciding(type(settings), Decides.ROUNDING, Decides.NOTHING))


def kept_fingerprint(folder: Path) -> str | None:
    """The fingerprint of the teacher in a folder; None if there is none."""
    file = folder / FINGERPRINT
    return read_json(file).get("fingerprint") if file.exists() else None


def write_fingerprint(folder: Path, task: str, found: str) -> None:
    """Say what the teacher in a folder is made from."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FINGERPRINT, {"task": task, "fingerprint": found})


def _check_fingerprint(folder: Path, task: Task, found: str) -> None:
    known = kept_fingerprint(folder)
    if known is not None and known != found:
        raise UserError(
            f"{folder}: holds a teacher of {task.name!r} made from other data, another split or other settings; "
            "give another folder for teachers, or remove this one"
        )
    if is_first() and known is None:
        write_fingerprint(folder, task.name, found)
    wait_for_all()


def _labelled(rows: Rows) -> Rows:
    return rows if rows.observed is None else rows.subset(rows.observed.any(1).nonzero()[:, 0])
