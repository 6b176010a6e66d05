"""Distillation from teachers in a run: the single-task models that it trains are the teachers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..distillation_keys import distillation_of
from ..training import MTLKD, Callback, CooperativeDistillation, OnlineDistillation, TrainingResult, teacher_of
from .trainer import Trainer


def needs_teachers(trainer: Trainer) -> bool:
    """Whether single-task models have to be trained first."""
    return distillation_of(trainer.config.distill)[0] in ("mtlkd", "scd")


def distillation(trainer: Trainer, group: Sequence[int], singles: Sequence[TrainingResult]) -> list[Callback]:
    """The callbacks that distil into the network of some tasks; none for a single task, whose teacher is its equal.

    Args:
        trainer: The run.
        group: Positions of the network's tasks.
        singles: Single-task models of all tasks, if they are needed.
    """
    name, options = distillation_of(trainer.config.distill)
    if name == "off" or len(group) < 2:
        return []
    if name == "okd":
        return [OnlineDistillation(**options)]
    tasks = [trainer.data.tasks[position] for position in group]
    rows = trainer.part("train", group)
    teachers = {task.name: teacher_of(singles[p], task, rows) for p, task in zip(group, tasks, strict=True)}
    if name == "mtlkd":
        return [MTLKD(teachers, **options)]
    return [CooperativeDistillation(teachers, **_of_group(options, [task.name for task in tasks]))]


def _of_group(options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Blocks that are given for all tasks, for those of one network."""
    blocks = options.get("blocks")
    if not isinstance(blocks, list):
        return options
    inside = [[name for name in block if name in names] for block in blocks]
    return options | {"blocks": [block for block in inside if block]}
