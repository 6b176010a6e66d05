"""Multi-task attention network: every task attends to the shared features of every stage."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError
from .stages import output_width, several_stages, vectors_of
from .task_encoder import Representation, TaskEncoder, TaskPart
from .task_linear import TaskLinear, task_products


class TaskAttention(nn.Module):
    """Masks of all tasks over the shared features of one stage.

    ``mask_t = sigmoid(h_t(relu(g_t([shared ; f(before_t)]))))``; ``f`` is common to the tasks, ``g_t`` and ``h_t`` are
    a task's own.

    Args:
        tasks: Number of tasks K.
        width: W of the stage.
        before: Width of what the tasks chose from the stage before; 0 at the first.
        hidden: Width between ``g_t`` and ``h_t``.
    """

    def __init__(self, tasks: int, width: int, before: int, hidden: int) -> None:
        super().__init__()
        self.f = nn.Sequential(nn.Linear(before, width), nn.ReLU()) if before else None
        self.g = TaskLinear(tasks, 2 * width if before else width, hidden)
        self.h = TaskLinear(tasks, hidden, width)

    def forward(self, shared: Tensor, before: Tensor | None) -> Tensor:
        """``[B, W]`` and the tasks' ``[B, K, V]`` from the stage before to ``[B, K, W]``."""
        read = shared
        if self.f is not None and before is not None:
            linear: Any = self.f[0]  # one for all tasks, but applied task by task, see `task_products`
            own = self.f[1](task_products(before, linear.weight.expand(before.shape[1], -1, -1)) + linear.bias)
            read = torch.cat([shared[:, None].expand_as(own), own], -1)
        return torch.sigmoid(self.h(torch.relu(self.g(read)))) * shared[:, None]


class MTAN(TaskEncoder):
    """One shared encoder, and per task a soft mask over the features of every stage.

    Args:
        encoder: An ``nn.Sequential`` of at least two stages that give vectors, or a :class:`~polytask.TableEncoder`
            with two hidden widths.
        tasks: Number of tasks.
        attention: Width of the masks' hidden layer.
        width: D, if it cannot be told.

    Raises:
        UserError: If the encoder has a single stage, or one whose width cannot be told.

    Deviation:
        For stages of vectors; the paper's are of images, its masks see an inner layer of each block beside the block's
        output, and have batch normalisation.

    Example:
        >>> encoder = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU())
        >>> MTAN(encoder, tasks=3)(torch.zeros(4, 5)).shape
        torch.Size([4, 3, 8])
    """

    reference = 'S. Liu, E. Johns, A. J. Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019'

    def __init__(self, encoder: nn.Module, tasks: int, *, attention: int = 32, width: int | None = None) -> None:
        super().__init__()
        if attention < 1:
            raise UserError(f"sharing 'mtan': attention must be at least 1, found {attention}")
        self.stages: Any = nn.ModuleList(several_stages(encoder, "mtan"))
        widths = [_vector_width(stage) for stage in self.stages]
        widths[-1] = width or widths[-1]
        self.width, self._widths = widths[-1], widths
        self.attention: Any = nn.ModuleList(
            TaskAttention(tasks, now, before, attention) for before, now in zip([0, *widths[:-1]], widths, strict=True)
        )

    def represent(self, inputs: object) -> Representation:
        shared: Any = inputs
        chosen = None
        for stage, attention, width in zip(self.stages, self.attention, self._widths, strict=True):
            shared = vectors_of(stage, shared, "mtan", width)
            chosen = attention(shared, chosen)
        assert chosen is not None
        return Representation(chosen, None)

    def shared_modules(self) -> list[nn.Module]:
        between = [attention.f for attention in self.attention if attention.f is not None]
        return [*between, *self.stages]

    def task_parameters(self, task: int) -> list[TaskPart]:
        return [
            part
            for attention in self.attention
            for layer in (attention.g, attention.h)
            for part in layer.task_parameters(task)
        ]


def _vector_width(stage: nn.Module) -> int:
    """Width of a stage that begins with a linear layer."""
    first = next(module for module in stage.modules() if not isinstance(module, nn.Sequential))
    if not isinstance(getattr(first, "out_features", None), int):
        raise UserError(
            "sharing 'mtan' is for encoders whose stages give vectors; every stage must begin with a linear layer, "
            f"found {type(first).__name__}"
        )
    return output_width(stage)
