"""Losses of a batch, task by task: true labels, or soft labels once a task has converged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import cast

import torch
from torch import Tensor, nn

from ..balancing import OwnOutputs, TaskLosses
from ..data import Batch
from ..distillation.soft_labels import SoftLabels, take_rows
from ..models import TaskGroup
from ..processes.collectives import sum_over_processes, world_size
from ..task.kind import WideKind


class Objective:
    """Computes the mean loss of every task, groups of equal kind at once.

    Args:
        groups: The model's task groups; outputs come in this order.
        tasks: Number of tasks.
        read_by: The layer whose outputs the losses read, row by row as in ``groups``.
    """

    def __init__(self, groups: Sequence[TaskGroup], tasks: int, read_by: nn.Module | None = None) -> None:
        self.groups = tuple(groups)
        self._read_by = read_by
        self.soft: dict[int, SoftLabels] = {}
        #: Positions of the tasks that take part; None for all.
        self.active: tuple[int, ...] | None = None
        joined = [position for group in self.groups for position in group.tasks]
        self._in_order = joined == list(range(tasks))
        self._order = torch.tensor(sorted(range(tasks), key=joined.__getitem__))
        self._contiguous = [_as_slice(group.tasks) for group in self.groups]
        self._soft: list[list[_Alike]] = [[] for _ in self.groups]

    @cached_property
    def outputs(self) -> OwnOutputs | None:
        """Which output of the last layer belongs to which task, which spares balancers to find out."""
        if self._read_by is None:
            return None
        weight = cast(Tensor, self._read_by.weight)
        owned = weight.new_zeros(len(weight), len(self._order), dtype=torch.float32)
        for group in self.groups:
            for task in group.tasks:
                owned[group.task_rows(task), task] = 1
        return OwnOutputs(weight, owned)

    def use_soft_labels(self, task: int, labels: SoftLabels) -> None:
        """From now on the task learns from ``labels`` instead of its targets."""
        self.soft[task] = labels
        self._soft = [_alike(group, self.soft) for group in self.groups]

    def use_labels(self, task: int) -> None:
        """The task learns from its targets again."""
        del self.soft[task]
        self._soft = [_alike(group, self.soft) for group in self.groups]

    def __call__(self, outputs: Sequence[Tensor], batch: Batch) -> TaskLosses:
        """Mean losses over the labelled samples of each task, weighted if the samples have weights.

        The mean is ``sum w L / sum w`` over the samples of all processes, for true and for soft labels alike, and the
        count of a task the sum of its weights. Without weights that is the number of its labels.

        Args:
            outputs: One tensor per group, ``[B, k]`` or ``[B, k, C]``; with members ``[M, B, ...]``.
            batch: Targets ``[B, K]``; entries that are not observed are masked before any arithmetic.
        """
        observed = self._observed(batch)
        if observed is None and world_size() == 1 and not batch.wide and batch.weights is None:
            found = [self._elements(i, o, batch).mean(0) for i, o in enumerate(outputs)]
            values = self._ordered(found[0] if len(found) == 1 else torch.cat(found))
            counts = values.new_full((len(values),), len(batch))
            return TaskLosses(values, values.detach(), counts, complete=True, outputs=self.outputs)
        if observed is None:
            observed = torch.ones_like(batch.targets, dtype=torch.bool)
        weights = None if batch.weights is None else observed * batch.weights
        labels, parts = (observed if weights is None else weights).sum(0), []
        for index, (group, output, columns) in enumerate(zip(self.groups, outputs, self._contiguous, strict=True)):
            if group.kind.wide:
                wide = partial(self._wide, index, batch, observed, weights)
                losses, labels[group.tasks[0]] = group.over_members(wide, output)
                parts.append(losses[None])
            else:
                losses = torch.where(observed[:, columns], self._elements(index, output, batch), 0.0)
                parts.append((losses if weights is None else losses * weights[:, columns]).sum(0))
        sums = self._ordered(torch.cat(parts))
        local = torch.stack([sums.detach(), labels])
        total, counts = sum_over_processes(local)
        factor = 1 / torch.where(counts > 0, counts, 1)
        # Gradients are averaged over processes: the factor makes that the mean over all samples of all processes.
        complete = bool((counts > 0).all())
        return TaskLosses(sums * (world_size() * factor), total * factor, counts, complete, outputs=self.outputs)

    def _observed(self, batch: Batch) -> Tensor | None:
        """``[B, K]`` bool, what each task learns from in this batch; None for everything."""
        widened = [task for task, labels in self.soft.items() if labels.unlabelled]
        if self.active is None and (batch.observed is None or not widened):
            return batch.observed
        observed = (
            torch.ones_like(batch.targets, dtype=torch.bool) if batch.observed is None else batch.observed.clone()
        )
        observed[:, widened] = True
        if self.active is not None:
            observed[:, [task for task in range(observed.shape[1]) if task not in self.active]] = False
        return observed

    def _elements(self, index: int, outputs: Tensor, batch: Batch) -> Tensor:
        """``[B, k]`` losses of one group, float32; of several members their mean."""
        return self.groups[index].over_members(lambda one: self._elements_of_one(index, one, batch), outputs)

    def _elements_of_one(self, index: int, outputs: Tensor, batch: Batch) -> Tensor:
        group, columns, soft = self.groups[index], self._contiguous[index], self._soft[index]
        outputs = outputs.float()
        if len(soft) == 1 and soft[0].whole:
            return soft[0].settings.loss(group.kind, outputs, soft[0].teacher(outputs, batch))
        elements = group.kind.loss(outputs, batch.targets[:, columns])
        for alike in soft:
            losses = alike.settings.loss(group.kind, outputs, alike.teacher(outputs, batch))
            elements = torch.where(alike.mask.to(outputs.device), losses, elements)
        return elements

    def _wide(
        self, index: int, batch: Batch, observed: Tensor, weights: Tensor | None, outputs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum of the losses of a task with several targets per row, and how many these are (or their weights)."""
        group, position, outputs = self.groups[index], self.groups[index].tasks[0], outputs[:, 0].float()
        kind, labels = cast(WideKind, group.kind), self.soft.get(position)
        targets = batch.wide[position]
        if labels is not None and labels.unlabelled:  # a row without any target learns from the teacher everywhere
            targets = torch.where(torch.isnan(targets).all(1, keepdim=True), 0.0, targets)
        targets = torch.where(observed[:, position, None], targets, torch.nan)
        teacher = None if labels is None else labels.of(batch).to(outputs.device, outputs.dtype)
        losses, counts = wide_losses(kind, outputs, targets, labels, teacher)
        return _weighted_sums(losses, counts, weights, position)

    def _ordered(self, values: Tensor) -> Tensor:
        return values if self._in_order else values[self._order.to(values.device)]


@dataclass(frozen=True)
class _Alike:
    """Tasks of one group whose soft labels have equal settings, so that their losses are one tensor.

    Attributes:
        columns: The group's soft labels by column; None for a task that does not belong here.
        mask: ``[k]`` bool, those that do.
    """

    columns: tuple[SoftLabels | None, ...]
    mask: Tensor

    @cached_property
    def whole(self) -> bool:
        """All tasks of the group belong here."""
        return None not in self.columns

    @cached_property
    def settings(self) -> SoftLabels:
        """One of them, for what all have in common."""
        return next(labels for labels in self.columns if labels is not None)

    @cached_property
    def _stored(self) -> Tensor | None:
        """The outputs of all columns, if they lie side by side."""
        stored = self.settings.outputs
        together = isinstance(stored, Tensor) and all(
            labels is None or (labels.outputs is stored and labels.column == place)
            for place, labels in enumerate(self.columns)
        )
        return stored if together else None  # type: ignore[return-value]

    def teacher(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Outputs of all columns for the rows of a batch; any finite numbers for columns that do not belong here."""
        if self._stored is not None:
            return take_rows(self._stored, batch.ids).to(outputs.device, outputs.dtype)
        empty = torch.zeros_like(outputs[:, 0])
        parts = [empty if labels is None else labels.of(batch).to(empty) for labels in self.columns]
        return torch.stack(parts, 1)


def wide_losses(
    kind: WideKind,
    outputs: Tensor,
    targets: Tensor,
    labels: SoftLabels | None = None,
    teacher: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Losses of a task with several targets per row, and how many of them each row has.

    Args:
        kind: The task's kind.
        outputs: ``[B, L]`` or ``[B, L, C]``.
        targets: ``[B, L]``, NaN where there is nothing to learn.
        labels: Soft labels, if the task learns from these.
        teacher: Their outputs for these rows, of the shape of ``outputs``.

    Returns:
        Losses ``[B, L]`` and counts ``[B]``.
    """
    if labels is None or teacher is None:
        return kind.loss(outputs, targets), kind.counts(targets)
    missing = torch.isnan(targets)
    teacher = teacher.masked_fill(missing[..., None] if kind.vector_output else missing, torch.nan)
    counts = kind.counts(teacher[..., 0] if kind.vector_output else teacher)
    return labels.loss(kind, outputs, teacher), counts


def _alike(group: TaskGroup, soft: dict[int, SoftLabels]) -> list[_Alike]:
    """The soft labels of a group, by their settings."""
    labels = [soft.get(task) for task in group.tasks]
    found = []
    for settings in dict.fromkeys(one.settings for one in labels if one is not None):
        columns = tuple(one if one is not None and one.settings == settings else None for one in labels)
        found.append(_Alike(columns, torch.tensor([[one is not None for one in columns]])[0]))
    return found


def _weighted_sums(losses: Tensor, counts: Tensor, weights: Tensor | None, task: int) -> tuple[Tensor, Tensor]:
    """Sums over the rows of the losses and counts of one task."""
    if weights is None:
        return losses.sum(), counts.sum()
    rows = [values.reshape(len(weights), -1).sum(1) for values in (losses, counts)]
    return rows[0] @ weights[:, task], rows[1].to(weights) @ weights[:, task]


def _as_slice(positions: Sequence[int]) -> slice | list[int]:
    """Neighbouring columns as a slice, which costs no copy."""
    if list(positions) == list(range(positions[0], positions[-1] + 1)):
        return slice(positions[0], positions[-1] + 1)
    return list(positions)
