"""The optimiser, and how an absent task's head is left alone by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from ..models import LinearHeads
from .settings import TrainingSettings


def make_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> Optimizer:
    """The optimiser of ``settings``, with fused kernels."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "sgd":
        return SGD(trained, lr=rate, momentum=settings.momentum, weight_decay=decay, fused=True)
    method = AdamW if settings.optimizer == "adamw" else Adam
    return method(trained, lr=rate, weight_decay=decay, fused=True)


@contextmanager
def absent_heads_kept(optimizer: Optimizer, heads: LinearHeads, absent: Sequence[int]) -> Iterator[None]:
    """Keep the head rows of ``absent`` tasks, and the optimiser's state for them, as they are through a step.

    Separate heads without a gradient are skipped by an optimiser; the rows of one wide head would drift with momentum
    and decay.
    """
    kept: list[tuple[Tensor, slice, Tensor]] = []
    for parameter in heads.wide.parameters():
        state = [
            value
            for value in optimizer.state.get(parameter, {}).values()
            if isinstance(value, Tensor) and value.shape == parameter.shape
        ]
        for tensor in (parameter.data, *state):
            for task in absent:
                rows = heads.task_rows(task)
                kept.append((tensor, rows, tensor[rows].clone()))
    first_step = not optimizer.state.get(heads.wide.weight)
    yield
    with torch.no_grad():
        for tensor, rows, values in kept:
            tensor[rows] = values
        if first_step:
            _clear_new_state(optimizer, heads, absent)


def _clear_new_state(optimizer: Optimizer, heads: LinearHeads, absent: Sequence[int]) -> None:
    """State that the first step created starts at zero for tasks that were absent from it."""
    for parameter in heads.wide.parameters():
        for value in optimizer.state.get(parameter, {}).values():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                for task in absent:
                    value[heads.task_rows(task)] = 0
