"""Tasks as the configuration wants them learned, measured and predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...config import Config
from ...config.target import bounds_of, for_target, metrics_of
from ...errors import UserError, did_you_mean
from ...task import Task
from ...task.units import AUTO


def as_asked(task: Task, config: Config) -> Task:
    """The task with its metrics, losses, class weights, threshold, scale and bounds.

    Raises:
        UserError: If one of them does not fit it.
    """
    kind, changes = task.definition, dict[str, Any]()
    if metrics := metrics_of(config, task.name):
        changes |= {"metric": metrics[0], "also": metrics[1:]}
    if task.name in config.losses:
        changes["losses"] = tuple(config.losses[task.name].items())
    if task.name in config.focal:
        changes |= {"losses": (("focal", 1.0),), "gamma": config.focal[task.name]}
    if task.name in config.bounds:
        changes["low"], changes["high"] = bounds_of(config, task.name)
    weights = for_target(config.class_weights, task.name, None)
    if weights is not None and (kind.one_class or isinstance(config.class_weights, Mapping)):
        changes["class_weights"] = _class_weights(task, weights)
    threshold = for_target(config.threshold, task.name, "auto")
    if not isinstance(threshold, str) and (kind.thresholded or isinstance(config.threshold, Mapping)):
        changes["threshold"] = threshold
    transform = for_target(config.transform, task.name, AUTO)
    named = isinstance(config.transform, Mapping) and task.name in config.transform
    if transform != "none" and (transform != AUTO if kind.transformable else named):
        changes["transform"] = transform  # what `auto` means is known once there are rows
    return replace(task, **changes)


def check_bounds(task: Task, labels: np.ndarray, at: str) -> None:
    """Refuse bounds that no label is within: every prediction would be one of them.

    Args:
        task: The task, as asked.
        labels: ``[n]``, NaN where there is none.
        at: Names the target in messages.

    Raises:
        UserError: It gives the range of the labels.
    """
    low, high = -np.inf if task.low is None else task.low, np.inf if task.high is None else task.high
    if len(labels) and not ((labels >= low) & (labels <= high)).any():
        raise UserError(f"{at}: bounds [{low:g}, {high:g}]: no label is within; they are from {np.nanmin(labels):g} to "
                        f"{np.nanmax(labels):g}")  # fmt: skip


def _class_weights(task: Task, given: Any) -> tuple[float, ...] | str:
    """By index of the class; classes that are not named count once."""
    if not isinstance(given, Mapping):
        return given if isinstance(given, str) else ()
    if unknown := [name for name in given if name not in task.classes]:
        raise UserError(f"class_weights: {unknown[0]!r} is no class of {task.name!r}; "
                        f"{did_you_mean(unknown[0], task.classes)}")  # fmt: skip
    return tuple(float(given.get(name, 1.0)) for name in task.classes)
