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
from ...records.values import read_object
from ...task import Task
from ...task.training_units import in_training_units
from ...task.units import AUTO, TRANSFORMS, skewed
from ...training.evaluation import trivial_levels
from ...uncertainty import Estimate, skill_of
from ..keep import Skills, surely_better
from ..linear import linear_models


def judged_targets(config: Config, tasks: Sequence[Task]) -> list[int]:
    """Positions of the tasks whose scale is to be chosen: ``auto``, of a kind that has linear models."""
    return [
        place
        for place, task in enumerate(tasks)
        if for_target(config.transform, task.name, "none") == AUTO and task.definition.linear_model(1.0, 1) is not None
    ]


def earned_scales(
    tasks: Sequence[Task],
    rows: Mapping[str, Rows],
    labels: Mapping[str, np.ndarray],
    seed: int,
    stored: Path | None = None,
) -> tuple[list[Task], list[str]]:
    """The tasks on the scales on which they are learned, and a sentence about each that was judged.

    A skewed target is judged by linear models of it on every scale: another one is used if the target's metric on
    validation rows, in units of its labels, is better by more than chance.

    Args:
        tasks: Those whose scale is to be chosen, on that which their skewness suggests; where nothing can be judged
            it stays.
        rows: By part, with only these tasks.
        labels: By part, ``[n, K]`` float64 labels in their own units, NaN where there is none.
        seed: Of the rows that are drawn where there are many.
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
    found, notes = [], []
    for place, task in enumerate(tasks):
        own = {name: skill[task.name] for name, skill in skills.items() if task.name in skill}
        if not skewed(known[place]) or len(own) < len(scales):
            found.append(task)
            continue
        as_it_is, others = own.pop(""), own
        best = surely_better(as_it_is, others)
        found.append(scales[best or ""][place])
        gains = {name: skill - as_it_is for name, skill in others.items()}
        shown = ", ".join(f"{name} {gain.value:+.3f} ±{1.96 * gain.error:.3f}" for name, gain in gains.items())
        how = f"on the scale {best}" if best else "as it is"
        notes.append(f"{task.name!r}: learned {how}; skill of linear models on validation: {shown}")
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
