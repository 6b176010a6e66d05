"""Metrics of a model on labelled rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..data import Rows
from ..data.rows import count_rows, map_inputs, rows_at_once
from ..errors import UserError
from ..models import MultiTaskModel
from ..processes.collectives import rank, sum_over_processes, world_size
from ..task import Task
from ..task.weighted_losses import single_losses
from ..uncertainty import Estimate, estimate, trivial_estimate

#: Rows of a part are chosen one by one only where at most this share of them is asked for.
WORTH_CHOOSING = 0.7


@dataclass(frozen=True)
class Evaluation:
    """What is known at one evaluation.

    Attributes:
        step: Optimiser steps so far.
        epoch: Passes over the data so far.
        validation: Metric by task name, NaN where undefined.
        errors: Standard error of that by task name, from the validation rows.
        losses: Mean training loss by task name since the last evaluation, unweighted; NaN without a label.
        weights: Weight of each task in the last step.
        labels: Labels that each task has learned from since the last evaluation.
    """

    step: int
    epoch: float
    validation: dict[str, float]
    losses: dict[str, float]
    weights: dict[str, float]
    labels: dict[str, int]
    errors: dict[str, float] = field(default_factory=dict)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every module's own mode comes back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def task_outputs(
    model: MultiTaskModel, rows: Rows | Any, positions: Sequence[int], n: int | None = None
) -> list[Tensor]:
    """Raw outputs of some tasks for all rows, in evaluation mode.

    Args:
        model: The network.
        rows: :class:`Rows`, or bare inputs with ``n`` rows.
        positions: Positions of the tasks in the model.

    Returns:
        Per position ``[n]`` or ``[n, C]``, float32; without rows ``[0]``.
    """
    parts = [outputs for _, outputs in shared_inference(model, rows, positions, n)]
    return [torch.cat(part) for part in zip(*parts, strict=True)] or [torch.empty(0) for _ in positions]


def shared_inference(
    model: MultiTaskModel,
    rows: Rows | Any,
    positions: Sequence[int],
    n: int | None = None,
    wanted: Tensor | None = None,
) -> Iterator[tuple[slice | Tensor, list[Tensor]]]:
    """Part by part what :func:`task_outputs` gives; of several processes each infers its share of every part.

    Args:
        model: The network.
        rows: See :func:`task_outputs`.
        positions: See :func:`task_outputs`.
        n: See :func:`task_outputs`.
        wanted: ``[n]`` bool, rows that are asked for; a part that wants few of its rows has these alone.

    Yields:
        The part's rows, and their outputs by task.
    """
    inputs = rows.inputs if isinstance(rows, Rows) else rows
    n = count_rows(inputs) if n is None else n
    device = next(model.parameters()).device
    part = rows_at_once(inputs) * world_size()
    for start in range(0, n, part):
        ids = _few(wanted, start, min(start + part, n))
        count = ids.stop - ids.start if isinstance(ids, slice) else len(ids)
        if not count:
            continue
        share = -(-count // world_size())
        own = slice(min(rank() * share, count), min((rank() + 1) * share, count))
        # A process whose share is empty infers one row, for the shape, and takes part with zeros.
        taken = _within(ids, own if own.start < own.stop else slice(0, 1))
        with eval_mode(model):
            grouped = model.grouped(map_inputs(inputs, lambda leaf, taken=taken: leaf[taken].to(device)))
            outputs = [task_of_grouped(model, grouped, position).float() for position in positions]
        yield ids, [_from_all(output, own, count) for output in outputs]


def _few(wanted: Tensor | None, start: int, stop: int) -> slice | Tensor:
    """The rows of a part to infer: those wanted, or simply all if these are most (a slice costs no copy)."""
    if wanted is None or wanted[start:stop].sum() > WORTH_CHOOSING * (stop - start):
        return slice(start, stop)
    return start + wanted[start:stop].nonzero()[:, 0]


def _within(ids: slice | Tensor, own: slice) -> slice | Tensor:
    return slice(ids.start + own.start, ids.start + own.stop) if isinstance(ids, slice) else ids[own]


def _from_all(outputs: Tensor, own: slice, count: int) -> Tensor:
    """Every process's share of a part, assembled."""
    if world_size() == 1:
        return outputs
    together = outputs.new_zeros(count, *outputs.shape[1:])
    if own.start < own.stop:
        together[own] = outputs
    return sum_over_processes(together)


def task_of_grouped(model: MultiTaskModel, outputs: Sequence[Tensor], position: int) -> Tensor:
    """One task's part of :meth:`~polytask.MultiTaskModel.grouped`."""
    for group, wide in zip(model.heads.groups, outputs, strict=True):
        if position in group.tasks:
            return wide[:, group.tasks.index(position)]
    raise IndexError(position)


def task_metric(task: Task, outputs: Tensor, targets: Tensor) -> float:
    """The task's metric in its own units, from raw outputs and stored targets of observed rows; NaN for no row."""
    if len(targets) == 0:
        return math.nan
    metric = task.metric_definition
    predictions, targets, unit = task.measured(outputs, targets, metric)
    return metric(predictions, targets) * unit


def task_targets(rows: Rows, position: int) -> tuple[Tensor, Tensor]:
    """Ids of the rows with a label for a task, and their targets."""
    targets = rows.wide.get(position, rows.targets[:, position])
    if rows.observed is None:
        return torch.arange(len(rows), device=targets.device), targets
    ids = rows.observed[:, position].nonzero()[:, 0]
    return ids, targets[ids]


def without_column(task: Task, outputs: Tensor) -> Tensor:
    """``[n]`` where a head of one output gives ``[n, 1]``."""
    kind = task.definition
    column = not kind.wide and not kind.vector_output and outputs.ndim == 2 and outputs.shape[1] == 1
    return outputs[:, 0] if column else outputs


def fitting_outputs(task: Task, outputs: Tensor, targets: Tensor, where: str) -> Tensor:
    """Outputs in the form that the kind's loss and metric take.

    Raises:
        UserError: If they have another shape; broadcasting would compare rows with other rows' targets.
    """
    outputs = without_column(task, outputs)
    expected = (*targets.shape, task.width) if task.definition.vector_output else tuple(targets.shape)
    if len(targets) and tuple(outputs.shape) != expected:  # a part without a label has no outputs of any shape
        raise UserError(
            f"{where}: {task.name!r} is a {task.kind} task with targets {list(targets.shape)}; "
            f"expected outputs of shape {list(expected)}, found {list(outputs.shape)}"
        )
    return outputs


def task_estimate(
    task: Task, outputs: Tensor, targets: Tensor, ids: Tensor | None = None, metric: str | None = None
) -> Estimate:
    """:func:`task_metric` with its standard error.

    Args:
        task: The task.
        outputs: Raw outputs (logits) ``[n]``, ``[n, 1]`` or ``[n, C]`` of the rows with a label; for tasks with
            several targets per row ``[n, L]``, ``[n, L, C]``.
        targets: Their stored targets ``[n]`` or ``[n, L]``.
        ids: Which rows these are, see :func:`~polytask.uncertainty.estimate`.
        metric: One of the task's metrics; the first by default.

    Raises:
        UserError: If the outputs do not fit the targets.

    Example:
        >>> logits, targets = torch.tensor([[2.0], [-1.0], [0.5], [-2.0]]), torch.tensor([1.0, 0.0, 1.0, 0.0])
        >>> task_estimate(Task("click", metric="accuracy"), logits, targets).value
        1.0
    """
    outputs = fitting_outputs(task, outputs, targets, "task_estimate")
    definition = task.defined_metric(metric or task.metric)
    predictions, targets, unit = task.measured(outputs, targets, definition)
    return estimate(definition, predictions, targets, ids) * unit


def evaluate(model: MultiTaskModel, rows: Rows) -> dict[str, float]:
    """Metric of every task of ``model`` on its labelled rows, NaN where undefined."""
    rows = rows.to(next(model.parameters()).device)
    outputs = task_outputs(model, rows, range(len(model.tasks)))
    metrics = {}
    for position, task in enumerate(model.tasks):
        ids, targets = task_targets(rows, position)
        metrics[task.name] = task_metric(task, outputs[position][ids], targets)
    return metrics


def measure(model: MultiTaskModel, rows: Rows, numbers: Tensor | None = None) -> dict[str, Estimate]:
    """What :func:`evaluate` finds, with standard errors.

    Args:
        model: The network.
        rows: Labelled rows.
        numbers: ``[n]``, which these are among the rows of other estimates that they are compared with.
    """
    rows = rows.to(next(model.parameters()).device)
    return estimates_of(model.tasks, task_outputs(model, rows, range(len(model.tasks))), rows, numbers)


def estimates_of(
    tasks: Sequence[Task], outputs: Sequence[Tensor], rows: Rows, numbers: Tensor | None = None
) -> dict[str, Estimate]:
    """What :func:`measure` finds, from the outputs that :func:`task_outputs` gives."""
    found = {}
    for position, task in enumerate(tasks):
        ids, targets = task_targets(rows, position)
        places = ids if numbers is None else numbers.to(ids.device)[ids]
        places = places if rows.groups is None else rows.units(ids)
        found[task.name] = task_estimate(task, outputs[position][ids], targets, places)
    return found


def losses_of(tasks: Sequence[Task], outputs: Sequence[Tensor], rows: Rows) -> dict[str, dict[str, float]]:
    """By name the mean losses of those tasks that have several, without weights."""
    found = {}
    for position, task in enumerate(tasks):
        if len(task.losses) > 1:
            ids, targets = task_targets(rows, position)
            if len(targets):
                found[task.name] = single_losses(task.kind, dict(task.losses), outputs[position][ids], targets)
    return found


def trivial_levels(tasks: Sequence[Task], rows: Rows) -> dict[str, float]:
    """Metric that a constant prediction reaches on these rows, by task name; NaN without a label."""
    levels = {}
    for position, task in enumerate(tasks):
        _, targets = task_targets(rows, position)
        metric = task.metric_definition
        targets, unit = task.measured_targets(targets, metric)
        levels[task.name] = metric.trivial(targets) * unit if len(targets) else float("nan")
    return levels


def trivial_estimates(tasks: Sequence[Task], rows: Rows) -> dict[str, tuple[Estimate, float]]:
    """By task name :func:`trivial_levels` with standard errors, and the error of a metric that knows nothing (or 0)."""
    found = {}
    for position, task in enumerate(tasks):
        ids, targets = task_targets(rows, position)
        metric = task.metric_definition
        targets, unit = task.measured_targets(targets, metric)
        if not metric.defined_on(targets):
            ids, targets = ids[:0], targets[:0]
        null = metric.null_error(targets) if metric.null_error is not None and len(targets) else 0.0
        found[task.name] = (
            trivial_estimate(metric, targets, rows.units(ids)) * unit,
            0.0 if math.isnan(null) else null * unit,
        )
    return found
