"""Distillation from teachers in a run: the single-task models that it trains are the teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..config import Config
from ..task import Task
from ..training import Callback, EnsembleDistillation, OnlineDistillation, TrainingResult, teacher_of
from ..training.callbacks.distilling import Distilling
from ..training.distillations import DISTILLATIONS, distillation_of
from .trainer import Trainer

#: Methods with teachers that are trained before.
TAUGHT = ("mtlkd", "scd")


def needs_teachers(config: Config) -> bool:
    """Whether single-task models have to be trained first."""
    return distillation_of(config.distill)[0] in TAUGHT


def without_teachers(config: Config, tasks: Sequence[Task]) -> list[Callback]:
    """The callbacks that distil, before there are teachers, to see whether they fit the rest.

    Raises:
        UserError: If the options of ``distill`` do not fit the tasks.
    """
    name, options = distillation_of(config.distill)
    if name == "off" or len(tasks) < 2:
        return []
    method: Callback = DISTILLATIONS[name]({}, **options)
    if isinstance(method, Distilling):
        method.check_tasks([task.name for task in tasks])
    return [method]


def distillation(trainer: Trainer, group: Sequence[int], singles: Mapping[int, TrainingResult]) -> list[Callback]:
    """The callbacks that distil into the network of some tasks; none for a single task, whose teacher is its equal.

    Args:
        trainer: The run.
        group: Positions of the network's tasks.
        singles: Single-task models of tasks by position, of all if they are needed.
    """
    name, options = distillation_of(trainer.config.distill)
    if name in ("off", EnsembleDistillation.name) or len(group) < 2:  # an ensemble's student is trained after it
        return []
    if name == "okd":
        return [OnlineDistillation(**options)]
    tasks = [trainer.data.tasks[position] for position in group]
    rows = trainer.part("train", group)
    teachers = {task.name: teacher_of(singles[p], task, rows) for p, task in zip(group, tasks, strict=True)}
    method = DISTILLATIONS[name]
    return [method(teachers, **_of_group(options, [task.name for task in tasks]))]


def _of_group(options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Options that are given for all tasks, for those of one network."""
    own, beta, blocks = dict(options), options.get("beta"), options.get("blocks")
    if isinstance(beta, Mapping):
        own["beta"] = {name: weight for name, weight in beta.items() if name in names}
    if isinstance(blocks, int):
        own["blocks"] = min(blocks, len(names))
    elif isinstance(blocks, list):
        inside = [[name for name in block if name in names] for block in blocks]
        own["blocks"] = [block for block in inside if block]
    return own
