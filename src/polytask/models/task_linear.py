"""A linear layer per task, computed together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .task_encoder import TaskPart


class TaskLinear(nn.Module):
    """One linear layer per task, all of the same size.

    Args:
        tasks: Number of tasks K.
        in_features: Inputs.
        out_features: Outputs per task.

    Shapes:
        ``[B, in_features]``, common to all tasks, or ``[B, K, in_features]`` to ``[B, K, out_features]``.

    Example:
        >>> layer = TaskLinear(3, 4, 2)
        >>> layer(torch.zeros(5, 4)).shape, layer(torch.zeros(5, 3, 4)).shape
        (torch.Size([5, 3, 2]), torch.Size([5, 3, 2]))
    """

    def __init__(self, tasks: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(tasks, out_features, in_features))
        self.bias = nn.Parameter(torch.empty(tasks, out_features))
        bound = max(1, in_features) ** -0.5  # as nn.Linear
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.ndim == 2:
            return torch.einsum("bi,koi->bko", inputs, self.weight) + self.bias
        return task_products(inputs, self.weight) + self.bias

    def task_parameters(self, task: int) -> list[TaskPart]:
        """A task's own layer."""
        return [(self.weight, slice(task, task + 1)), (self.bias, slice(task, task + 1))]


def task_products(inputs: Tensor, weight: Tensor) -> Tensor:
    """``[B, K, I]`` and ``[K, O, I]`` to ``[B, K, O]``, task by task.

    That is ``einsum("bki,koi->bko")``, of which ``torch.export`` makes a program for two rows and more.
    """
    return torch.bmm(inputs.transpose(0, 1), weight.transpose(1, 2)).transpose(0, 1)
