"""Cross-stitch networks: a network per task, whose features are mixed between the stages."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError
from .stages import features_of, output_width, several_stages
from .task_encoder import Representation, TaskEncoder, TaskPart, whole


class CrossStitchUnit(nn.Module):
    """``x'_t = sum_j alpha_tj x_j`` over the tasks' features.

    Args:
        tasks: Number of tasks K.
        own: Weight of a task's own features at the start; the others share the rest.

    Example:
        >>> CrossStitchUnit(2, own=0.9).alpha
        Parameter containing:
        tensor([[0.9000, 0.1000],
                [0.1000, 0.9000]], requires_grad=True)
    """

    def __init__(self, tasks: int, own: float) -> None:
        super().__init__()
        alpha = torch.full((tasks, tasks), (1 - own) / max(1, tasks - 1))
        self.alpha = nn.Parameter(alpha.fill_diagonal_(own if tasks > 1 else 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """``[K, B, ...]`` to the same."""
        return torch.tensordot(self.alpha.to(features.dtype), features, 1)


class CrossStitch(TaskEncoder):
    """A copy of the encoder per task, and a cross-stitch unit after every stage but the last.

    All copies start with the encoder's weights, so that features of the same number mean the same in all of them.

    Args:
        encoder: An ``nn.Sequential`` of at least two stages, or a :class:`~polytask.TableEncoder` with two hidden
            widths.
        tasks: Number of tasks.
        own: Weight of a task's own features at the start.
        width: D, if it cannot be told.

    Raises:
        UserError: If the encoder has a single stage, or ``own`` is not from 0 to 1.

    Deviation:
        One weight per pair of tasks and stage; the paper also has one per channel.

    Example:
        >>> encoder = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU())
        >>> CrossStitch(encoder, tasks=3)(torch.zeros(4, 5)).shape
        torch.Size([4, 3, 8])
    """

    reference = (
        'I. Misra, A. Shrivastava, A. Gupta, M. Hebert, "Cross-stitch Networks for Multi-task Learning", CVPR 2016'
    )
    last_layer = False

    def __init__(self, encoder: nn.Module, tasks: int, *, own: float = 0.9, width: int | None = None) -> None:
        super().__init__()
        if not 0 <= own <= 1:
            raise UserError(f"sharing 'cross_stitch': own must be from 0 to 1, found {own}")
        stages = several_stages(encoder, "cross_stitch")
        self.width = width or output_width(encoder)
        self.stages: Any = nn.ModuleList(nn.ModuleList(copy.deepcopy(stage) for _ in range(tasks)) for stage in stages)
        self.units: Any = nn.ModuleList(CrossStitchUnit(tasks, own) for _ in stages[1:])

    def represent(self, inputs: object) -> Representation:
        first, *rest = self.stages
        features = [features_of(stage, inputs) for stage in first]
        for unit, stages in zip(self.units, rest, strict=True):
            mixed = unit(torch.stack(features))
            features = [features_of(stage, one) for stage, one in zip(stages, mixed, strict=True)]
        return Representation(torch.stack(features, 1), None)

    def shared_modules(self) -> list[nn.Module]:
        # A row of the last unit is read by one task only.
        return [*list(self.stages)[:-1], *list(self.units)[:-1]]

    def task_parameters(self, task: int) -> list[TaskPart]:
        alpha = self.units[-1].alpha
        return [*whole(self.stages[-1][task]), (alpha, slice(task, task + 1))]
