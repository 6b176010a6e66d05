"""Which loss is most of the sum that a network learns from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..records.run import Run


class Loudest(NamedTuple):
    """A loss that is most of the weighted sum of a training: whose, in which, its share, and of how many."""

    task: str
    training: str
    share: float
    tasks: int


def loudest(run: Run) -> Iterator[Loudest]:
    """The loudest task of every network in which one loss is most of the sum."""
    for name, training in run.log.trainings.items():
        tasks = [task for task in training.tasks if task not in run.held]  # losses of held ones begin at 0
        points = [point for point in training.evaluations if point.losses]
        if len(tasks) < 3 or not points or not name.startswith(("network_", "all_in_one_n")):
            continue
        # The median: at the very beginning losses may be anything.
        shares = np.median([
            [(point.losses.get(task) or 0.0) * (point.weights.get(task) or 0.0) for task in tasks]
            for point in points[: max(1, len(points) // 2)]
        ], 0)  # fmt: skip
        if shares.sum() <= 0:
            continue
        place = int(shares.argmax())
        share = float(shares[place] / shares.sum())
        if share > max(0.5, 2 / len(tasks)):
            yield Loudest(tasks[place], name, share, len(tasks))
