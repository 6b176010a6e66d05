"""One linear head per task, computed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ..errors import UserError
from ..task import Kind, Task
from .task_encoder import TaskPart
from .task_linear import task_products


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

    @property
    def ndim(self) -> int:
        """Dimensions of the group's outputs; there is one more, in front, if there are members."""
        return 2 + int(self.kind.vector_output or self.kind.wide) + int(self.kind.items and self.kind.vector_output)

    def over_members(self, function: Callable[[Tensor], Any], outputs: Tensor) -> Any:
        """``function`` of the group's outputs, if there are members the mean of their values."""
        if outputs.ndim == self.ndim:
            return function(outputs)
        return tree_map(lambda found: found.float().mean(0), torch.vmap(function)(outputs))

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
    """Group ``tasks`` by kind, width and losses, as they first appear; one with several targets per row is a group.

    Example:
        >>> groups = group_tasks([Task("a"), Task("y", kind="regression"), Task("b")])
        >>> [(group.kind.name, group.tasks, group.start) for group in groups]
        [('binary', (0, 2), 0), ('regression', (1,), 2)]
    """
    members: dict[tuple[Any, ...], list[int]] = {}
    for position, task in enumerate(tasks):
        alone = position if task.trained_kind.wide else -1
        members.setdefault((task.kind, task.width, alone, task.losses, task.gamma), []).append(position)
    groups, start = [], 0
    for (_, width, *_), positions in members.items():
        groups.append(TaskGroup(tasks[positions[0]].trained_kind, width, tuple(positions), start))
        start += width * len(positions)
    return tuple(groups)


class LinearHeads(nn.Module):
    """A linear head per task as the rows of one wide linear layer.

    The mathematics is that of separate heads; the cost for many tasks is a fraction of it.

    Args:
        in_features: Width of the features.
        groups: The tasks' groups.
        own: Every task has separate features.

    Attributes:
        members: Heads per task, see :class:`MemberHeads`.
    """

    members = 1
    #: Of features by item, ``[B, 1 + L, D]``, tasks that read one vector take the first, which stands for the row.
    first_item = False

    def __init__(self, in_features: int, groups: Sequence[TaskGroup], own: bool = False) -> None:
        super().__init__()
        self.groups = tuple(groups)
        self.own = own
        self._by_item = any(group.kind.items for group in groups)
        self.wide = nn.Linear(in_features, groups[-1].rows.stop)
        self._width = in_features

    def forward(self, features: Tensor) -> list[Tensor]:
        """``[B, in_features]``, or ``[B, K, in_features]`` if ``own``, to one tensor per group, see
        :meth:`TaskGroup.split`."""
        self._check(features)
        if self.own:
            return [self._from_own(group, features[:, list(group.tasks)]) for group in self.groups]
        wide = self.wide(features)
        return [group.split(wide) for group in self.groups]

    def _check(self, features: Tensor) -> None:
        """Refuse features of which the heads would read only a part, or nothing."""
        vectors = features.ndim == (3 if self.own else 2) or (self.first_item and features.ndim == 3)
        fits = features.ndim == 3 if self._by_item else vectors
        if fits and features.shape[-1] == self._width:
            return
        found = list(features.shape)
        if self._by_item and not fits:
            raise UserError(f"encoder: tasks with a target per item need features [B, 1 + L, D], found {found}")
        if not fits:
            raise UserError(
                f"encoder: these tasks read one vector per row, features [B, D], found {found}; let the encoder give "
                "one of them or their mean, such as `output[:, -1]` or `output.mean(1)`"
            )
        raise UserError(f"encoder: the heads were made for features [B, {self._width}], found {found}; give features=D")

    def single(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """One output per row from the outputs by group, which may be those of several members."""
        return list(outputs)

    def _from_own(self, group: TaskGroup, features: Tensor) -> Tensor:
        """The group's outputs from ``[B, k, in_features]``."""
        size = (len(group.tasks), group.width)
        weight, bias = self.wide.weight[group.rows].unflatten(0, size), self.wide.bias[group.rows].unflatten(0, size)
        outputs = task_products(features, weight) + bias
        return outputs if group.kind.vector_output or group.kind.wide else outputs[..., 0]

    def task_rows(self, task: int) -> slice:
        """The rows of the wide layer that belong to a task."""
        return next(group.task_rows(task) for group in self.groups if task in group.tasks)

    def task_parameters(self, task: int) -> list[TaskPart]:
        """A task's own head."""
        rows = self.task_rows(task)
        return [(self.wide.weight, rows), (self.wide.bias, rows)]


class MemberLinear(nn.Module):
    """A linear layer for every member: ``[B, M * D]`` to ``[M, B, W]``.

    Rows of its parameters, ``weight [W, M, D]`` and ``bias [W, M]``, belong to the tasks as those of one layer do.
    """

    def __init__(self, in_features: int, out_features: int, members: int) -> None:
        super().__init__()
        self.in_features, self.out_features, self.members = in_features, out_features, members
        width = in_features // members
        self.weight = nn.Parameter(torch.empty(out_features, members, width).uniform_(-(width**-0.5), width**-0.5))
        self.bias = nn.Parameter(torch.empty(out_features, members).uniform_(-(width**-0.5), width**-0.5))

    def forward(self, features: Tensor) -> Tensor:
        by_member = features.unflatten(1, (self.members, -1)).transpose(0, 1)
        return torch.baddbmm(self.bias.T[:, None], by_member, self.weight.permute(1, 2, 0))


class MemberHeads(LinearHeads):
    """Heads of an ensemble: one per task and member.

    In training mode the outputs are those of the members, ``[M, B, ...]``, so that each has a separate loss; in
    evaluation mode there is one output, whose prediction is the mean of the members' predictions.

    Raises:
        UserError: For tasks that read features by item.
    """

    def __init__(self, in_features: int, groups: Sequence[TaskGroup], members: int) -> None:
        super().__init__(in_features, groups)
        if any(group.kind.items for group in groups):
            raise UserError(f"encoder: {members} members have no features by item, which some of the tasks need")
        self.members = members
        self.wide: Any = MemberLinear(in_features, groups[-1].rows.stop, members)

    def forward(self, features: Tensor) -> list[Tensor]:
        """``[B, in_features]`` to one tensor per group."""
        wide = self.wide(features)
        members, rows, _ = wide.shape
        outputs = [group.split(wide.flatten(0, 1)).unflatten(0, (members, rows)) for group in self.groups]
        return outputs if self.training else self.single(outputs)

    def single(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        return [
            found if found.ndim == group.ndim else group.kind.outputs_of(group.kind.predict(found).mean(0))
            for group, found in zip(self.groups, outputs, strict=True)
        ]
