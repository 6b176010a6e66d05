"""What a student learns from: features and predictions of networks for one task each, recorded once for all rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..data import Rows
from ..data.rows import count_rows, map_inputs, rows_at_once
from ..errors import UserError, raise_all
from ..models import MultiTaskModel
from ..task import Task


@dataclass(frozen=True)
class Teacher:
    """What one task's teacher predicts for the training rows, recorded in evaluation mode and without augmentation.

    Attributes:
        features: ``[n, D]`` by row id, or ``[n, 1 + L, D]`` of encoders with features by item; None for a teacher that
            gives only predictions.
        outputs: ``[n]`` or ``[n, C]`` logits (class kinds) or standardised values by row id; None if it has none.
        level: Its validation metric.
    """

    features: Tensor | None = None
    outputs: Tensor | None = None
    level: float = float("nan")

    @classmethod
    def from_model(cls, model: MultiTaskModel, task: Task, inputs: Any, **known: Any) -> Teacher:
        """From a network for ``task`` (and perhaps others).

        Args:
            model: The network; neither its weights nor its buffers change.
            task: The task.
            inputs: Inputs of the student's training rows, in their order, or :class:`~polytask.Rows`.
            **known: The other attributes.
        """
        position = [own.name for own in model.tasks].index(task.name)

        def both(batch: Any) -> tuple[Tensor, Tensor]:
            features = model.features(batch)
            group = next(g for g in model.heads.groups if position in g.tasks)
            outputs = model.heads(features)[model.heads.groups.index(group)]
            own = features[:, position] if model.heads.own else features
            return own, outputs[:, group.tasks.index(position)]

        features, outputs = (torch.cat(parts) for parts in zip(*_infer(model, both, inputs), strict=True))
        return cls(features, outputs, **known)

    @classmethod
    def from_module(cls, module: nn.Module, inputs: Any, **known: Any) -> Teacher:
        """From any module that gives features ``[B, D]``; images ``[B, D, ...]`` are averaged over positions.

        Example:
            >>> Teacher.from_module(nn.Linear(3, 4), torch.zeros(5, 3)).features.shape
            torch.Size([5, 4])
        """

        def pooled(batch: Any) -> Tensor:
            features = module(batch)
            return features.flatten(2).mean(2) if features.ndim > 2 else features

        return cls(torch.cat(list(_infer(module, pooled, inputs))), **known)

    @classmethod
    def from_predictions(cls, task: Task, predictions: Mapping[Any, Any], ids: Iterable[Any], **known: Any) -> Teacher:
        """From a table of predictions by row id: probabilities of the second class (binary) or of all classes, or
        values in the target's own units.

        Args:
            task: The task.
            predictions: ``{row id: prediction}``.
            ids: Row ids of the student's training rows, in their order.
            **known: The other attributes.

        Raises:
            UserError: If a row has no prediction.

        Example:
            >>> Teacher.from_predictions(Task("click"), {"r1": 0.5, "r0": 0.5}, ["r0", "r1"]).outputs
            tensor([0., 0.])
        """
        ids = list(ids)
        missing = [str(row) for row in ids if row not in predictions]
        if missing:
            raise UserError(
                f"teacher of {task.name!r}: no prediction for {len(missing)} of {len(ids)} rows, first {missing[0]!r}; "
                "give one for every training row"
            )
        values = torch.tensor([predictions[row] for row in ids], dtype=torch.float64)
        return cls(outputs=task.definition.outputs_of(task.trained(values).float()), **known)


def _infer(module: nn.Module, function: Any, inputs: Any) -> Iterator[Any]:
    """``function`` of all inputs, part by part, with ``module`` in evaluation mode; its own modes come back."""
    inputs = inputs.inputs if isinstance(inputs, Rows) else inputs
    device = next((tensor.device for tensor in module.parameters()), torch.device("cpu"))
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            batch = rows_at_once(inputs)
            for start in range(0, count_rows(inputs), batch):
                rows = slice(start, start + batch)
                yield function(map_inputs(inputs, lambda leaf, rows=rows: leaf[rows].to(device)))
    finally:
        for part, training in modes:
            part.training = training


def check_teachers(teachers: Mapping[str, Teacher], tasks: Iterable[Task], rows: int, features: bool) -> None:
    """Raise if teachers do not fit a training."""
    problems = []
    for task in tasks:
        teacher = teachers.get(task.name)
        recorded = None if teacher is None else teacher.features if features else teacher.outputs
        if teacher is None:
            problems.append(f"teachers: none for task {task.name!r}; give one for every task")
        elif recorded is None:
            what = "features; give a module, or distil outputs only" if features else "outputs; say kappa=0"
            problems.append(f"teacher of {task.name!r}: has no {what}")
        elif len(recorded) != rows:
            problems.append(
                f"teacher of {task.name!r}: recorded for {len(recorded)} rows, the training has {rows}; "
                "record it for the rows that the student is trained on"
            )
    raise_all(problems)
