"""One linear head per task, computed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..task import Kind, Task
from .task_encoder import TaskPart


@dataclass(frozen=True)
class TaskGroup:
    """Tasks of equal kind and head width, whose outputs and losses are computed in one call.

    Attributes:
        kind: Their kind.
        width: Outputs per task.
        tasks: Their positions among all tasks.
        start: First row of the group in the wide head.
    """

    kind: Kind
    width: int
    tasks: tuple[int, ...]
    start: int

    @property
    def rows(self) -> slice:
        """The group's rows of the wide head."""
        return slice(self.start, self.start + self.width * len(self.tasks))

    def task_rows(self, task: int) -> slice:
        """The rows of one task (by its position among all tasks)."""
        start = self.start + self.width * self.tasks.index(task)
        return slice(start, start + self.width)

    def split(self, wide: Tensor) -> Tensor:
        """The group's outputs from the wide head's ``[B, W]``: ``[B, k]``, or ``[B, k, C]`` for vector kinds.

        From ``[B, 1 + L, W]``, of features by item: the first stands for the whole row, as a [CLS] token does; kinds
        that read items have ``[B, 1, L]`` or ``[B, 1, L, C]`` of the others, ``dense`` ones ``[B, 1, L * C]``.
        """
        if self.kind.items:
            part = wide[:, 1:, self.rows]
            return (part if self.kind.vector_output else part.flatten(1))[:, None]
        part = (wide[:, 0] if wide.ndim == 3 else wide)[:, self.rows]
        several = self.kind.vector_output or self.kind.wide
        return part.unflatten(1, (len(self.tasks), self.width)) if several else part


def group_tasks(tasks: Sequence[Task]) -> tuple[TaskGroup, ...]:
    """Group ``tasks`` by kind and width, in order of first appearance; one with several targets per row is a group.

    Example:
        >>> groups = group_tasks([Task("a"), Task("y", kind="regression"), Task("b")])
        >>> [(group.kind.name, group.tasks, group.start) for group in groups]
        [('binary', (0, 2), 0), ('regression', (1,), 2)]
    """
    members: dict[tuple[str, int, int], list[int]] = {}
    for position, task in enumerate(tasks):
        alone = position if task.definition.wide else -1
        members.setdefault((task.kind, task.width, alone), []).append(position)
    groups, start = [], 0
    for (_, width, _), positions in members.items():
        groups.append(TaskGroup(tasks[positions[0]].definition, width, tuple(positions), start))
        start += width * len(positions)
    return tuple(groups)


class LinearHeads(nn.Module):
    """A linear head per task as the rows of one wide linear layer.

    The mathematics is that of separate heads; the cost for many tasks is a fraction of it.

    Args:
        in_features: Width of the features.
        groups: The tasks' groups.
        own: Every task has features of its own.
    """

    def __init__(self, in_features: int, groups: Sequence[TaskGroup], own: bool = False) -> None:
        super().__init__()
        self.groups = tuple(groups)
        self.own = own
        self.wide = nn.Linear(in_features, groups[-1].rows.stop)

    def forward(self, features: Tensor) -> list[Tensor]:
        """``[B, in_features]``, or ``[B, K, in_features]`` if ``own``, to one tensor per group, see
        :meth:`TaskGroup.split`."""
        if self.own:
            return [self._from_own(group, features[:, list(group.tasks)]) for group in self.groups]
        wide = self.wide(features)
        if wide.ndim != 3 and any(group.kind.items for group in self.groups):
            raise UserError(
                f"encoder: tasks with a target per item need features [B, 1 + L, D], found {list(features.shape)}"
            )
        return [group.split(wide) for group in self.groups]

    def _from_own(self, group: TaskGroup, features: Tensor) -> Tensor:
        """The group's outputs from ``[B, k, in_features]``."""
        size = (len(group.tasks), group.width)
        weight, bias = self.wide.weight[group.rows].unflatten(0, size), self.wide.bias[group.rows].unflatten(0, size)
        outputs = torch.einsum("bkd,kwd->bkw", features, weight) + bias
        return outputs if group.kind.vector_output or group.kind.wide else outputs[..., 0]

    def task_rows(self, task: int) -> slice:
        """The rows of the wide layer that belong to a task."""
        return next(group.task_rows(task) for group in self.groups if task in group.tasks)

    def task_parameters(self, task: int) -> list[TaskPart]:
        """A task's own head."""
        rows = self.task_rows(task)
        return [(self.wide.weight, rows), (self.wide.bias, rows)]
