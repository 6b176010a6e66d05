"""Every task of a finished run before others were added, beside what it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ...records.values import number
from ...task import Task
from ...uncertainty import Estimate
from ..bundle import Bundle, serving_places
from ..results import Delivered
from ..trainer import Trainer
from .addition import Addition
from .learning import level


def before(
    addition: Addition,
    outputs: Mapping[str, Mapping[str, Tensor]],
    trainer: Trainer,
    networks: Sequence[Delivered],
    ours: Mapping[str, Estimate],
) -> dict[str, Any]:
    """The baseline of the tasks as they were.

    Args:
        addition: What was added.
        outputs: By part and task the raw outputs of the finished run.
        trainer: The new run, with the thresholds that it serves.
        networks: Its networks.
        ours: Their test metrics.
    """
    part, data = trainer.final_part, trainer.data
    serves = serving_places(one.serves for one in networks)
    bundle = Bundle(data.schema, tuple(one.model.cpu() for one in networks), serves)
    after = bundle.outputs(data.rows[part].inputs, len(data.rows[part]))
    return {"before": {
        task.name: {"validation": number(level(addition, "validation", task.name, outputs)),
                    "test": number(level(addition, part, task.name, outputs)),
                    "held": task.name not in addition.again,
                    **agreement(task, outputs[part][task.name], after[task.name])}
        for task in data.tasks[: len(addition.base.bundle.serves)]
    }}  # fmt: skip


def agreement(task: Task, before: Tensor, after: Tensor) -> dict[str, float | None]:
    """How far predictions after are those before.

    Returns:
        ``agreement``: share of rows (multilabel: of labels) with the same class; of numbers the coefficient of
        determination. ``change``: mean absolute difference of probabilities; of numbers in standard deviations of the
        training labels.

    Example:
        >>> import torch
        >>> found = agreement(Task("a"), torch.tensor([-1.0, 2.0]), torch.tensor([1.0, 2.0]))
        >>> found["agreement"], round(found["change"], 3)
        (0.5, 0.231)
    """
    old, new = (task.definition.predict(outputs).double().cpu() for outputs in (before, after))
    change = float((old - new).abs().mean())
    return {"agreement": number(task.definition.agreement(old, new)), "change": number(change)}
