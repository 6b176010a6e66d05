"""What a set-up is: data with three parts, and the network for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polytask as pt


@dataclass(frozen=True)
class Data:
    """One seed's data.

    Attributes:
        tasks: The tasks, in the order of the columns of targets.
        rows: ``train``, ``validation`` and ``test``.
        network: ``network(tasks, seed, dropout)``: fresh weights.
    """

    tasks: tuple[pt.Task, ...]
    rows: dict[str, pt.Rows]
    network: Callable[[tuple[pt.Task, ...], int, float], pt.MultiTaskModel]


@dataclass(frozen=True)
class Setup:
    """A set-up: how its data are made for a seed, the length of a training, and the grid that every method is tuned on.

    Attributes:
        load: ``load(data folder, cache folder, seed)``.
        steps, batch_size, evaluate_every: Of every training.
        learning_rates, dropouts: The grid.
        seeds: Number of seeds.
        extra: Further training settings.
    """

    name: str
    load: Callable[[Path, Path, int], Data]
    steps: int
    batch_size: int
    evaluate_every: int
    learning_rates: tuple[float, ...]
    dropouts: tuple[float, ...] = (0.0, 0.3)
    seeds: int = 8
    extra: dict[str, Any] = field(default_factory=dict)
