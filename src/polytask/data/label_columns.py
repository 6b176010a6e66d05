"""Targets as columns of one number each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..task import Task


def label_columns(targets: Tensor, wide: Mapping[int, Tensor], tasks: Sequence[Task]) -> tuple[np.ndarray, list[Task]]:
    """All targets as columns of one number each: every label of a set becomes a binary task; tags are left out.

    Args:
        targets: ``[n, K]`` with NaN where there is no label.
        wide: From :func:`~polytask.data.encode_wide`.
        tasks: The K tasks.

    Returns:
        ``[n, C]`` with NaN, and the C tasks.
    """
    columns: list[Tensor] = []
    found: list[Task] = []
    for position, task in enumerate(tasks):
        made = task.definition.by_label(task)
        columns += wide[position].unbind(1)[: len(made)] if position in wide else [targets[:, position]] * len(made)
        found += made
    return (torch.stack(columns, 1) if columns else targets[:, :0]).numpy(), found
