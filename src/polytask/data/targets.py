"""Target columns as numbers: class indices, or standardised values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from ..errors import UserError, did_you_mean, raise_all
from ..task import Task
from ..task.kind import Form
from ..task.task import IGNORED
from ..task.training_units import bounded, in_training_units
from .as_trained import as_values
from .cells import encode_words
from .columns import Coded, coded, is_text, numbers
from .features import number_column
from .problems import collected

IGNORE = str(IGNORED)

#: Numbers that differ by less have a variance of 0 in double precision.
SMALLEST_SPAN = 1e-150


def encode_targets(
    table: pa.Table, tasks: Sequence[Task], *, where: str = "table", partial: bool = False, precise: bool = False
) -> Tensor:
    """``[n, K]`` float32: class indices or ``(y - center) / scale``, NaN where there is no label.

    Of a target whose cells are sets of labels, or tags, it states only whether there is one (0); the words are
    given by :func:`~polytask.data.encode_wide`.

    Args:
        table: Has one column per task, of the task's name.
        tasks: In the order of the columns of the result.
        where: Name of the table in messages.
        partial: Whether a column may be absent (then no row has a label for that task).
        precise: float64 instead, for numbers that are not standardised: rounded, those far from 0 become one.

    Raises:
        UserError: If a column is missing, a label is no class of its task, or a number is none or infinite.

    Example:
        >>> table = pa.table({"size": ["small", "large", ""]})
        >>> encode_targets(table, [Task("size", kind="multiclass", classes=("small", "medium", "large"))])
        tensor([[0.],
                [2.],
                [nan]])
    """
    problems: list[str] = []
    matrix = np.full((table.num_rows, len(tasks)), np.nan, np.float64 if precise else np.float32)
    known = set(table.column_names)
    for k, task in enumerate(tasks):
        if task.name not in known:
            if not partial:
                hint = did_you_mean(task.name, table.column_names)
                problems.append(f"{where}: target column {task.name!r} is missing; {hint}")
            continue
        with collected(problems):
            at = f"{where}: target {task.name!r}"
            values = _BY_FORM[task.definition.form](table[task.name], task, at)
            if precise:
                _check_squares(values, at)
            else:
                _check_single(values, task, at)
            matrix[:, k] = values
    raise_all(problems)
    return torch.from_numpy(matrix)


def standardise_tasks(table: pa.Table, tasks: Sequence[Task], train: np.ndarray | None, where: str) -> tuple[Task, ...]:
    """The tasks, those of numbers with center and scale of their training labels."""
    problems: list[str] = []
    fitted: list[Task] = []
    for task in tasks:
        with collected(problems):
            fitted.append(_standardised(table, task, train, where))
    raise_all(problems)
    return tuple(fitted)


def _standardised(table: pa.Table, task: Task, train: np.ndarray | None, where: str) -> Task:
    if not task.definition.numeric:
        return task
    values = target_numbers(table[task.name], f"{where}: target {task.name!r}")
    values = values if train is None else values[train]
    values = values[~np.isnan(values)]
    if len(values) == 0:
        raise UserError(f"{where}: target {task.name!r} has no label in the training rows; split the rows differently")
    with np.errstate(over="ignore", invalid="ignore"):
        task = bounded(in_training_units(task, values), values)
        vanishing = 0 < np.ptp(values) < SMALLEST_SPAN
    if vanishing or not np.isfinite([task.center, task.scale]).all():
        raise UserError(
            f"{where}: target {task.name!r}: the mean and standard deviation of numbers up to {np.abs(values).max():g} "
            "cannot be computed; give them in another unit"
        )
    return task if task.scale > 0 else replace(task, scale=1.0)


def target_numbers(column: pa.ChunkedArray, at: str) -> np.ndarray:
    """``[n]`` float64 values of a regression target, NaN where missing; ``at`` names it in messages."""
    if is_text(column.type):
        column = number_column(column, at)
    values = numbers(column)
    infinite = np.isinf(values)
    if infinite.any():
        raise UserError(
            f"{at}: {int(infinite.sum())} infinite values, first in row {int(infinite.argmax()) + 1}; "
            "expected finite numbers, or an empty cell where there is no label; --missing inf counts them as missing"
        )
    return values


def _values(column: pa.ChunkedArray, task: Task, at: str) -> np.ndarray:
    found = target_numbers(column, at)
    if problem := task.definition.problem_with(found):
        raise UserError(f"{at}: {problem}")
    with np.errstate(over="ignore"):
        return np.asarray(task.trained(torch.from_numpy(np.array(found, np.float64))).numpy())


def _check_squares(values: np.ndarray, at: str) -> None:
    large = np.abs(values) > 1 / SMALLEST_SPAN
    if large.any():
        row = int(large.argmax())
        raise UserError(f"{at}: {values[row]:g} in row {row + 1} is too large to compute with; correct or empty it, or "
                        "give the target in another unit")  # fmt: skip


def _check_single(values: np.ndarray, task: Task, at: str) -> None:
    large = np.abs(values) > np.finfo(np.float32).max
    if large.any():
        raise UserError(
            f"{at}: row {int(large.argmax()) + 1} is too far from the mean of the training rows ({task.center:g}, "
            f"standard deviation {task.scale:g}) for single precision; correct or empty it"
        )


def _any_word(column: pa.ChunkedArray, task: Task, at: str) -> np.ndarray:
    return np.where(np.isnan(encode_words(column, task, at)).all(1), np.nan, 0.0)


def _classes(column: pa.ChunkedArray, task: Task, at: str) -> np.ndarray:
    words = as_values(coded(column), task.classes)
    index = _class_indices(words, task)
    ignored = pc.equal(words.words, IGNORE).to_numpy(zero_copy_only=False)
    unknown = np.isnan(index) & ~ignored
    if unknown.any():
        classes = ", ".join(task.classes[:20])
        raise UserError(f"{at}: {words.example(unknown)} is not one of its classes ({classes}); correct or empty it")
    return words.gather(index, np.nan)


def _class_indices(words: Coded, task: Task) -> np.ndarray:
    """``[words]`` float64 position among the classes, NaN for other words."""
    known = pc.index_in(words.words, value_set=pa.array(task.classes, pa.large_string()))
    return np.asarray(known.cast(pa.float64()).to_numpy(zero_copy_only=False))


_BY_FORM: dict[Form, Callable[[pa.ChunkedArray, Task, str], np.ndarray]] = {
    "numbers": _values, "classes": _classes, "words": _any_word
}  # fmt: skip
