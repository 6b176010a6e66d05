"""Target columns whose cells are sets of labels (`multilabel`): ``a;b;c`` in text, or a list in Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..task import Task
from .cells import encode_wide


def encode_label_sets(
    table: pa.Table, tasks: Sequence[Task], *, where: str = "table", partial: bool = False
) -> dict[int, Tensor]:
    """``[n, L]`` float32 of every task of this kind, by its position: 1 and 0, NaN in rows without a set.

    Args:
        table: See :func:`~polytask.data.encode_targets`.
        tasks: See :func:`~polytask.data.encode_targets`.
        where: See :func:`~polytask.data.encode_targets`.
        partial: See :func:`~polytask.data.encode_targets`.

    Raises:
        UserError: If a cell holds a label that the task does not know.

    Example:
        >>> table = pa.table({"tags": ["a;b", "b", None]})
        >>> encode_label_sets(table, [Task("tags", kind="multilabel", classes=("a", "b"))])
        {0: tensor([[1., 1.],
                [0., 1.],
                [nan, nan]])}
    """
    return encode_wide(table, tasks, where, partial, per_item=False)


def label_columns(targets: Tensor, wide: Mapping[int, Tensor], tasks: Sequence[Task]) -> tuple[np.ndarray, list[Task]]:
    """All targets as columns of one number each: every label of a set becomes a binary task; tags are left out.

    Args:
        targets: ``[n, K]`` with NaN where there is no label.
        wide: From :func:`encode_label_sets`.
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
