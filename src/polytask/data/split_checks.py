"""Whether every task can be trained and measured on a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import raise_all
from ..task import Task
from .splits import PARTS

_REMEDY = "make that split larger, choose another seed, leave the task out"
_TRAINED = "it is trained, and the other tasks decide which checkpoint is kept"
_UNVALIDATED = f"has no label in the validation rows: {_TRAINED}"


def check_split(
    codes: np.ndarray,
    targets: np.ndarray,
    tasks: Sequence[Task],
    *,
    where: str = "split",
    wide: Mapping[int, Tensor] | None = None,
    tested: bool = True,
) -> list[str]:
    """Check the labels of every task in every part, as :func:`check_parts` does.

    Args:
        codes: ``[n]`` part of every row.
        targets: ``[n, K]`` with NaN where there is no label.
        tasks: The tasks.
        where: Name of the split in messages.
        wide: ``[n, L]`` targets of tasks with several per row, by their positions.
        tested: Whether there are to be test rows.

    Returns:
        Warnings for the user.

    Raises:
        UserError: All errors at once.
    """
    values = np.asarray(targets)
    columns = [wide[k].numpy() if wide and k in wide else values[:, k] for k in range(len(tasks))]
    parts = [[column[codes == code] for column in columns] for code in range(len(PARTS))]
    return check_parts(parts, tasks, where, tested)


def check_parts(
    parts: Sequence[Sequence[np.ndarray]], tasks: Sequence[Task], where: str = "split", tested: bool = True
) -> list[str]:
    """Check the labels of every task in every part.

    Nothing to learn from in training is an error, and so is a metric that is not defined on the labels of validation,
    where choices are made, or no label at all there. A task without a label in validation while others have some, a
    metric that is not defined on test and a class that training never sees are warnings.

    Args:
        parts: For training, validation and test the labels of every task, ``[n]`` or ``[n, L]``, NaN for none.
        tasks: The tasks.
        where: Name of the split in messages.
        tested: Whether there are to be test rows.

    Returns:
        Warnings for the user.

    Raises:
        UserError: All errors at once.
    """
    problems: list[str] = []
    warnings: list[str] = []
    unvalidated: list[str] = []
    for k, task in enumerate(tasks):
        labels = [task.definition.checked(task, part[k])[1] for part in parts]
        task, _ = task.definition.checked(task, parts[0][k])
        at = f"{where}: task {task.name!r}"
        unmeasured = _measuring(task, labels[1], "validation", at) if len(labels[1]) else []
        problems += (untrained := _training(labels[0], at))
        if not len(labels[1]):
            unvalidated.append(f"{at} {_UNVALIDATED}")
        elif unmeasured and not untrained and (alone := _alone(task, labels)):
            unvalidated.append(f"{at}: {alone}")
        else:
            problems += unmeasured
        warnings += [*(_measuring(task, labels[2], "test", at) if tested else ()), *_unseen(task, labels, at)]
    if tasks and len(unvalidated) == len(tasks):
        has = "has a label in" if all(line.endswith(_UNVALIDATED) for line in unvalidated) else "can be measured on"
        problems.append(f"{where}: no task {has} the validation rows, which all choices need; make that split larger, "
                        "or choose another seed")  # fmt: skip
    raise_all(problems)
    return [*unvalidated, *warnings]


def _alone(task: Task, parts: Sequence[np.ndarray]) -> str:
    """What follows from a class of two that has a single row in all parts; nothing if there is none."""
    labels = np.concatenate(parts)
    if len(task.classes) != 2 or not task.definition.one_class:
        return ""
    counts = np.bincount(labels.astype(int), minlength=2)
    return f"class {task.classes[int(counts.argmin())]!r} has a single row: {_TRAINED}" if counts.min() == 1 else ""


def _training(labels: np.ndarray, at: str) -> list[str]:
    if len(labels) == 0:
        return [f"{at} has no label in the training rows; {_REMEDY}"]
    return [] if np.nanmin(labels) < np.nanmax(labels) else [f"{at} has only one label in the training rows; {_REMEDY}"]


def _measuring(task: Task, labels: np.ndarray, part: str, at: str) -> list[str]:
    if len(labels) == 0:
        return [f"{at} has no label in the {part} rows: {task.metric} is not defined; {_REMEDY}"]
    if np.isnan(_example_value(task, labels)):
        return [f"{at}: {task.metric} is not defined on the {part} rows ({_summary(labels)}); {_REMEDY}"]
    return []


def _example_value(task: Task, labels: np.ndarray) -> float:
    """The metric of some varied predictions: NaN exactly where no predictions have a value."""
    shape = (len(labels), task.width) if task.definition.vector_output else labels.shape
    outputs = torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 0.5
    return task.metric_definition(task.definition.predict(outputs), torch.from_numpy(np.array(labels)))


def _unseen(task: Task, parts: Sequence[np.ndarray], at: str) -> list[str]:
    unseen = task.definition.unseen(parts[0], np.concatenate(parts[1:]))
    shown = ", ".join(repr(task.classes[index]) for index in unseen[:5])
    return [f"{at}: no training row of {shown}: it cannot be learned"] if len(unseen) else []


def _summary(labels: np.ndarray) -> str:
    return f"{len(labels)} labelled, {len(np.unique(labels))} distinct"
