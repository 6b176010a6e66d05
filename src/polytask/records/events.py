"""``metrics.jsonl`` as trainings: what was measured, and when a task converged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from .values import number

#: Numbers per task that an evaluation's event holds.
MEASURED = ("validation", "losses", "weights", "gradient_norms", "conflicts", "errors")


@dataclass(frozen=True)
class EvaluationRecord:
    """One evaluation on the validation split, with the mean training losses since the one before and the weights.

    ``errors`` are standard errors of the validation metrics. Norms and conflicts of gradients are empty where nobody
    computed them; of many tasks all are, of some evaluations.
    """

    step: float
    epoch: float
    validation: dict[str, float | None]
    score: float | None = None
    losses: dict[str, float | None] = field(default_factory=dict)
    weights: dict[str, float | None] = field(default_factory=dict)
    gradient_norms: dict[str, float | None] = field(default_factory=dict)
    conflicts: dict[str, float | None] = field(default_factory=dict)
    errors: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class ConvergenceRecord:
    """A task has converged: from this epoch it learns from its own best predictions."""

    step: float
    epoch: float
    peak: float | None = None


@dataclass
class TrainingRecord:
    """One training of the run, such as ``all_in_one``, ``network_0`` or ``single_task.click``."""

    name: str
    tasks: list[str] = field(default_factory=list)
    evaluations: list[EvaluationRecord] = field(default_factory=list)
    converged: dict[str, ConvergenceRecord] = field(default_factory=dict)
    cooperation: dict[str, Any] = field(default_factory=dict)
    phases: list[tuple[float, str]] = field(default_factory=list)
    diverged: list[tuple[float, str]] = field(default_factory=list)
    returned_epoch: float | None = None
    ended: bool = False
    steps: float | None = None
    drawn: list[int] = field(default_factory=list)

    def curve(self, task: str) -> list[tuple[float, float]]:
        """``(epoch, value)`` of every evaluation where the metric is defined."""
        pairs = ((point.epoch, point.validation.get(task)) for point in self.evaluations)
        return [(epoch, value) for epoch, value in pairs if value is not None]

    def take(self, event: dict[str, Any]) -> None:
        """Take one event into account; unknown ones are ignored."""
        step, epoch = number(event.get("step")) or 0.0, number(event.get("epoch")) or 0.0
        match event.get("event"):
            case "training_start":
                self.tasks = [str(task) for task in event.get("tasks") or self.tasks]
                self.steps = number(event.get("total") or (event.get("settings") or {}).get("steps"))
            case "evaluation":
                self._rewind(step)
                values, *others = (_numbers(event.get(key)) for key in MEASURED)
                self.evaluations.append(EvaluationRecord(step, epoch, values, number(event.get("score")), *others))
            case "converged":
                self.converged[str(event.get("task"))] = ConvergenceRecord(step, epoch, number(event.get("peak")))
            case "diverged":
                self.diverged = [found for found in self.diverged if found[0] < step]
                self.diverged.append((step, str(event.get("what"))))
            case "cooperation":
                self.cooperation = event
            case "distillation_phase":
                self.phases = [phase for phase in self.phases if phase[0] < epoch]
                self.phases.append((epoch, str(event.get("phase"))))
            case "training_end":
                self.ended, self.returned_epoch = True, number(event.get("returned_epoch"))
                self.drawn = [int(number(rows) or 0) for rows in event.get("drawn") or ()]

    def _rewind(self, step: float) -> None:
        # A resumed run repeats the steps after its last checkpoint: what it states now is what counts.
        self.evaluations = [point for point in self.evaluations if point.step < step]
        self.converged = {task: event for task, event in self.converged.items() if event.step <= step}


@dataclass(frozen=True)
class Log:
    """All trainings of a run by name, the time of its first event (unix seconds), what was odd about the data, the rows
    of each part, the labels of each task in training, and the first event as it is, with the overview of the data."""

    trainings: dict[str, TrainingRecord] = field(default_factory=dict)
    started: float | None = None
    warnings: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    overview: dict[str, Any] = field(default_factory=dict)


def read_log(path: Path) -> Log:
    """Read the events of a run; a missing file is an empty log, and the last line may be cut off.

    Raises:
        UserError: If any other line is damaged.
    """
    if not path.is_file():
        return Log()
    trainings: dict[str, TrainingRecord] = {}
    started = None
    warnings: tuple[str, ...] = ()
    rows: dict[str, int] = {}
    labels: dict[str, int] = {}
    overview: dict[str, Any] = {}
    for event in _events(path):
        started = started or number(event.get("time"))
        if event.get("event") == "start":
            warnings = tuple(str(warning) for warning in event.get("warnings") or ())
            rows, labels = _counts(event.get("rows")), _counts(event.get("labels"))
            overview = event
        if name := event.get("training"):
            trainings.setdefault(str(name), TrainingRecord(str(name))).take(event)
    return Log(trainings, started, warnings, rows, labels, overview)


def _counts(values: Any) -> dict[str, int]:
    return {str(name): int(count) for name, count in (values or {}).items()}


def _numbers(values: Any) -> dict[str, float | None]:
    return {str(task): number(value) for task, value in (values or {}).items()}


def _events(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    events = []
    for row, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            if row == len(lines):  # the run was killed while it wrote this line
                break
            raise UserError(f"{path}: line {row} is damaged JSON ({error}); remove that line or restore it") from None
        if not isinstance(event, dict):
            raise UserError(f"{path}: line {row} should be a JSON object, found {type(event).__name__}")
        events.append(event)
    return events
