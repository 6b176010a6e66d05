"""Which of the trained networks a run keeps for which task: decided on validation, by what is beyond chance."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..task import Task
from ..training import TrainingResult
from ..training.evaluation import task_metric, task_outputs, task_targets, trivial_levels
from .trainer import Trainer

#: Share of resamples of the validation rows in which another network has to be better for a task to move there.
SURE = 0.975
RESAMPLES = 200


def grouping_pays(grouped: Mapping[str, float], together: Mapping[str, float]) -> bool:
    """Whether several networks are worth it: their mean skill is higher by more than a standard error over the tasks.

    Args:
        grouped: Skill of every task on validation in the several networks.
        together: Skill of every task on validation in one network for all.

    Example:
        >>> grouping_pays({"a": 0.9, "b": 0.8, "c": 0.7}, {"a": 0.8, "b": 0.72, "c": 0.6})
        True
        >>> grouping_pays({"a": 0.9, "b": 0.7, "c": 0.7}, {"a": 0.8, "b": 0.8, "c": 0.7})
        False
    """
    gains = [grouped[name] - together[name] for name in grouped]
    error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    return statistics.fmean(gains) > error


def skills(trainer: Trainer, result: TrainingResult, positions: Sequence[int]) -> dict[str, float]:
    """Skill of every task of a network on validation, at least -1.

    It is bounded below: of networks that are worse than useless for a task, none shall decide for all others.
    """
    levels = trivial_levels(result.model.tasks, trainer.part("validation", positions))
    return {
        task.name: max(-1.0, task.metric_definition.skill(result.tasks[task.name].validation, levels[task.name]))
        for task in result.model.tasks
    }


def surely_better(
    task: Task, ours: Tensor, theirs: Tensor, targets: Tensor, seed: int = 0, resamples: int = RESAMPLES
) -> bool:
    """Whether ``theirs`` is better than ``ours`` on nearly all (97.5 %) bootstrap resamples of the rows.

    Args:
        task: What is predicted.
        ours: ``[n]`` or ``[n, C]`` raw outputs.
        theirs: Likewise.
        targets: ``[n]`` stored targets.
        seed: Of the resamples.
        resamples: Their number.

    Example:
        >>> task, targets = Task("price", kind="regression"), torch.arange(50.0)
        >>> surely_better(task, targets + 2, targets + 1, targets), surely_better(task, targets, targets, targets)
        (True, False)
    """
    sign = 1.0 if task.metric_definition.higher_is_better else -1.0

    def gain(rows: Tensor) -> float:
        return sign * (task_metric(task, theirs[rows], targets[rows]) - task_metric(task, ours[rows], targets[rows]))

    if not gain(torch.arange(len(targets))) > 0:
        return False
    draws = torch.from_numpy(np.random.default_rng(seed).integers(0, len(targets), (resamples, len(targets))))
    gains = [value for value in map(gain, draws) if value == value]  # a resample may lack a class
    return sum(value > 0 for value in gains) >= SURE * max(len(gains), 1)


def best_for_each(
    trainer: Trainer, serving: Mapping[str, TrainingResult], others: Sequence[TrainingResult]
) -> dict[str, TrainingResult]:
    """Which network is to serve each task: the one in ``serving``, unless another is surely better on validation.

    Args:
        trainer: The run.
        serving: A network for every task.
        others: More networks, of any tasks; of several that are surely better the best is taken.
    """
    rows = trainer.data.rows["validation"]
    chosen = dict(serving)
    for position, task in enumerate(trainer.data.tasks):
        ids, targets = task_targets(rows, position)
        sign = 1.0 if task.metric_definition.higher_is_better else -1.0

        def outputs(result: TrainingResult, name: str = task.name, ids: Tensor = ids) -> Tensor:
            place = [other.name for other in result.model.tasks].index(name)
            return task_outputs(result.model, rows, [place])[0].cpu()[ids]

        ours = outputs(serving[task.name])
        best = sign * task_metric(task, ours, targets)
        for other in others:
            if other is serving[task.name] or task.name not in other.tasks:
                continue
            theirs = outputs(other)
            value = sign * task_metric(task, theirs, targets)
            if value > best and surely_better(task, ours, theirs, targets, trainer.config.seed):
                chosen[task.name], best = other, value
    return chosen
