"""Cooperative distillation of a run: similarity with its blocks, the queue, the phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ..records.events import TrainingRecord
from ..records.run import TaskMatrix
from ..records.values import number
from .heatmap import heatmap


@dataclass(frozen=True)
class QueuedBlock:
    """One block of the queue, and the epoch at which its distillation began (None if it never did)."""

    tasks: list[str]
    complexity: float
    epoch: float | None


@dataclass(frozen=True)
class Cooperation:
    """What the report shows of one training that was distilled block by block."""

    training: str
    measure: str
    indicator: str
    matrix: Markup
    queue: list[QueuedBlock]
    phases: str


def cooperations(trainings: Mapping[str, TrainingRecord]) -> list[Cooperation]:
    """One entry per training with a queue of blocks."""
    return [_cooperation(training) for training in trainings.values() if training.cooperation]


def _cooperation(training: TrainingRecord) -> Cooperation:
    event: dict[str, Any] = training.cooperation
    tasks = [str(task) for task in event["tasks"]]
    values = tuple(tuple(number(value) for value in row) for row in event["similarity"])
    began = {name: epoch for epoch, name in training.phases}
    queue = [
        QueuedBlock(
            [str(task) for task in block["tasks"]], number(block["complexity"]) or 0.0, began.get(f"phase {place}")
        )
        for place, block in enumerate(event["queue"], 1)
    ]
    phases = ", ".join(f"{phase['name']} from epoch {phase['start']:g}" for phase in event["phases"])
    matrix = heatmap(TaskMatrix(tasks, values), [block.tasks for block in queue], similarity=True)  # type: ignore[arg-type]
    return Cooperation(training.name, str(event["similarity_measure"]), str(event["indicator"]), matrix, queue, phases)
