"""What somebody's loop gives in a step: outputs, targets and ids, checked and in the form that the losses take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import UserError
from ..task import Task
from ..task.task import IGNORED
from ..training.evaluation import fitting_outputs, without_column


def outputs_by_task(outputs: Any) -> Mapping[str, Tensor]:
    """Outputs as they are.

    Raises:
        UserError: If they are no mapping of tensors.
    """
    if not isinstance(outputs, Mapping):
        raise UserError(f"losses: expected outputs by task name, {{task: tensor}}, found {type(outputs).__name__}")
    return outputs


def standardised(task: Task, target: Any, device: torch.device) -> Tensor:
    """``[B]`` (``[B, L]`` for several per row) targets as they are trained, NaN for "no label".

    Raises:
        UserError: If their shape is another, or they are no classes of the task.
    """
    target = torch.as_tensor(target, device=device)
    wide = task.definition.wide
    if not wide and target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    if target.ndim != 1 and not wide:
        raise UserError(
            f"losses: {task.name!r} is a {task.kind} task; expected targets of shape [B] (class indices or numbers), "
            f"found {list(target.shape)}"
        )
    trained = task.standardised(target)
    if not task.definition.numeric:
        _check_classes(task, trained)
    return trained


def _check_classes(task: Task, target: Tensor) -> None:
    if not target.numel():
        return
    kind = task.definition
    most = len(task.classes) - 1 if kind.one_class or kind.vector_output else 1
    low, high = torch.stack(torch.aminmax(torch.nan_to_num(target))).tolist()
    if low < 0 or high > most:
        raise UserError(
            f"losses: {task.name!r} is a {task.kind} task; expected targets from 0 to {most}, NaN or {IGNORED} for no "
            f"label, found {low if low < 0 else high:g}"
        )


def fitting(task: Task, output: Any, target: Tensor) -> Tensor:
    """The output in the form that the kind's loss takes, in float32.

    Raises:
        UserError: If it has another shape; broadcasting would compare rows with other rows' targets.
    """
    if not isinstance(output, Tensor):
        raise UserError(f"losses: output of {task.name!r}: expected a tensor, found {type(output).__name__}")
    return fitting_outputs(task, output.float(), target, "losses")


def positions(ids: Any) -> Tensor:
    """``[B]`` int64.

    Raises:
        UserError: If they are no whole numbers, one per row.
    """
    ids = torch.as_tensor(ids)
    if ids.ndim == 2 and ids.shape[1] == 1:
        ids = ids[:, 0]
    if ids.ndim != 1 or ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise UserError(
            "losses: expected ids [B], the positions of the rows among the training rows as whole numbers, found "
            f"{ids.dtype} {list(ids.shape)}"
        )
    return ids.long()


def check_positions(ids: Tensor, rows: int) -> None:
    """Raise if an id is none of ``rows`` training rows."""
    if not ids.numel():
        return
    low, high = torch.stack(torch.aminmax(ids)).tolist()
    if low < 0 or high >= rows:
        raise UserError(
            f"losses: found the id {low if low < 0 else high}, and infer gave outputs for {rows} training rows; ids "
            f"are positions among these, from 0 to {rows - 1}"
        )


def inferred(task: Task, outputs: Any, largest: int) -> Tensor:
    """``[n]`` or ``[n, C]`` what ``infer`` gave for all training rows, in float32.

    Args:
        task: The task.
        outputs: What came.
        largest: Largest id of a row so far, -1 if none is known.

    Raises:
        UserError: If that is something else.
    """
    kind = task.definition
    dimensions = 1 + kind.wide + kind.vector_output
    shape = {1: "[n]", 2: "[n, L]" if kind.wide else "[n, C]", 3: "[n, L, C]"}[dimensions]
    expected = f"infer(model, {task.name!r}): expected a tensor {shape}, the raw outputs for all training rows"
    if not isinstance(outputs, Tensor):
        raise UserError(f"{expected}, found {type(outputs).__name__}")
    outputs = without_column(task, outputs.float())
    if outputs.ndim != dimensions or (kind.vector_output and outputs.shape[-1] != task.width):
        raise UserError(f"{expected}, found {list(outputs.shape)}")
    if len(outputs) <= largest:
        raise UserError(f"{expected}, found {len(outputs)} rows, and the id {largest} in a batch")
    lost = ~outputs.isfinite().reshape(len(outputs), -1).all(1)
    if lost.any():
        raise UserError(f"infer(model, {task.name!r}): the outputs of {int(lost.sum()):,} of {len(outputs):,} rows are "
                        f"not finite, first of row {int(lost.int().argmax())}; did the training diverge?")  # fmt: skip
    return outputs
