"""A skewed target is learned on another scale where validation shows that its metric gains by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ...config import Config
from ...config.target import for_target
from ...data import Rows
from ...display.text import some_names
from ...records.values import read_object
from ...task import Task
from ...task.training_units import in_training_units
from ...task.units import AUTO, TRANSFORMS, skewed
from ...training.evaluation import task_targets, trivial_levels
from ...uncertainty import Estimate, skill_of
from ..keep import Skills, surely_better
from ..linear import linear_models


def judged_targets(config: Config, tasks: Sequence[Task], train: Rows) -> list[int]:
    """Positions of the tasks whose scale is to be chosen: ``auto``, skewed, and of a kind that has linear models."""
    return [
        place
        for place, task in enumerate(tasks)
        if for_target(config.transform, task.name, AUTO) == AUTO
        and task.definition.transformable
        and skewed(task_targets(train, place)[1].double().numpy())
        and task.definition.linear_model(1.0, 1) is not None
    ]


def earned_scales(
    tasks: Sequence[Task],
    rows: Mapping[str, Rows],
    labels: Mapping[str, np.ndarray],
    seed: int,
    stored: Path | None = None,
) -> tuple[list[Task], list[str]]:
    """The tasks on the scales on which they are learned, and sentences about what was chosen.

    A task is judged by linear models of it on every scale: another one is used if the target's metric on validation
    rows, in units of its labels, is better by more than chance. Where nothing can be judged it stays as it is.

    Args:
        tasks: Those whose scale is to be chosen.
        rows: By part, with only these tasks.
        labels: By part, ``[n, K]`` float64 labels in their own units, NaN where there is none.
        seed: Seed of the rows that are drawn where there are many.
        stored: The stored schema of a run that continues, which has decided.
    """
    known = [column[~np.isnan(column)] for column in labels["train"].T]
    if stored is not None:
        before = {one["name"]: one.get("transform", "") for one in read_object(stored)["tasks"]}
        return [_on(task, before[task.name], own) for task, own in zip(tasks, known, strict=True)], []
    scales = {
        name: [_on(task, name, own) for task, own in zip(tasks, known, strict=True)] for name in ("", *TRANSFORMS)
    }
    skills = {name: _skills(scaled, rows, labels, seed) for name, scaled in scales.items()}
    found, notes, kept = [], [], []
    for place, task in enumerate(tasks):
        own = {name: skill[task.name] for name, skill in skills.items() if task.name in skill}
        if len(own) < len(scales):  # the inputs are not such as linear models take
            found.append(task)
            continue
        as_it_is = own.pop("")
        best = surely_better(as_it_is, own)
        found.append(scales[best or ""][place])
        if best is None:
            kept.append(task.name)
            continue
        gain = own[best] - as_it_is
        notes.append(
            f"{task.name!r}: heavy-tailed, and learned on the scale {best}, which is better for {task.metric} on "
            f"validation (skill of linear models {gain.value:+.3f} ±{1.96 * gain.error:.3f}); --transform none keeps "
            "the scale of the labels"
        )
    if kept:
        notes.append(f"heavy-tailed, and learned as they are, since no other scale is better on validation: "
                     f"{some_names(kept)}")  # fmt: skip
    return found, notes


def stored_targets(tasks: Sequence[Task], labels: np.ndarray) -> torch.Tensor:
    """``[n, K]`` stored targets of labels in their own units."""
    columns = zip(tasks, torch.from_numpy(labels).T, strict=True)
    return torch.stack([task.standardised(values).nan_to_num(0.0) for task, values in columns], 1)


def _on(task: Task, name: str, values: np.ndarray) -> Task:
    """The task on a scale, with what it learns from its training labels."""
    task = in_training_units(replace(task, transform=name, parameters=(), center=0.0, scale=1.0), values)
    return task if task.scale > 0 else replace(task, scale=1.0)


def _skills(tasks: Sequence[Task], rows: Mapping[str, Rows], labels: Mapping[str, np.ndarray], seed: int) -> Skills:
    """Skill on validation of linear models of the tasks."""
    parts = {part: replace(rows[part], targets=stored_targets(tasks, labels[part])) for part in ("train", "validation")}
    found, _ = linear_models(parts, "validation", tasks, seed)
    levels = trivial_levels(tasks, parts["validation"])
    return {
        task.name: skill_of(task.metric_definition, found[task.name]["validation"], Estimate.exact(levels[task.name]))
        for task in tasks
        if task.name in found
    }
