"""Rows without labels for a student to learn from: rows of a table whose columns are those of several of its rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...data import Rows
from ...data.rows import count_rows, map_inputs
from ...data.stored import pick


def resampled(inputs: Any, count: int, share: float, seed: int) -> Any:
    """New inputs: each is a row whose columns are replaced, with a probability, by those of another row.

    Args:
        inputs: Of a table: ``[n, F]`` tensors, and hashed text, which stays that of the row.
        count: New rows.
        share: Probability that a column comes from the other row.
        seed: Seed of what is drawn.

    Source:
        R. Fakoor, J. Mueller, N. Erickson, P. Chaudhari, A. Smola, "Fast, Accurate, and Simple Models for Tabular Data
        via Augmented Distillation", NeurIPS 2020, with resampled columns instead of a Gibbs sampler.

    Example:
        >>> x = torch.arange(4.0)[:, None].repeat(1, 3)  # every column is the number of the row
        >>> resampled(x, 2, 0.5, seed=0)
        tensor([[1., 0., 1.],
                [3., 0., 3.]])
    """
    draw = torch.Generator().manual_seed(seed)
    base, other = torch.randint(count_rows(inputs), (2, count), generator=draw)

    def mixed(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return pick(leaf, base)
        take = torch.rand(count, leaf.shape[1], generator=draw) < share
        return torch.where(take.to(leaf.device), pick(leaf, other), pick(leaf, base))

    return map_inputs(inputs, mixed)


def without_labels(inputs: Any, like: Rows) -> Rows:
    """Rows with no label, which can be joined to others of the same tasks."""
    n, tasks = count_rows(inputs), like.targets.shape[1]
    wide = {place: values.new_full((n, *values.shape[1:]), torch.nan) for place, values in like.wide.items()}
    weights = None if like.weights is None else torch.ones(n, like.weights.shape[1])
    return Rows(inputs, torch.zeros(n, tasks), torch.zeros(n, tasks, dtype=torch.bool), wide=wide, weights=weights)
