"""Estimates that several processes have in common."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ..processes.collectives import numbers_of_first, world_size
from .estimate import Estimate


def estimates_of_first(estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """The estimates of the first process, equal on every one, so that all decide alike."""
    if world_size() == 1:
        return dict(estimates)
    shared = {}
    for name, found in estimates.items():
        value, counted, *blocks = numbers_of_first([found.value, found.counted, *found.blocks.tolist()])
        shared[name] = Estimate(value, torch.tensor(blocks, dtype=torch.float64), int(counted))
    return shared
