"""What joint and sequential convergence have in common: monitors, teachers and the switch to soft labels."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...distillation import ConvergenceMonitor, SoftLabels, SoftLabelStore, check_mixture, map_labels
from ...distillation.monitor import TESTS
from ...errors import UserError, did_you_mean, raise_all
from ...gain import LEAST_SKILL
from ...processes import rank
from ..evaluation import shared_inference
from .callback import Callback

if TYPE_CHECKING:
    from ...task import Task
    from ..evaluation import Evaluation
    from ..loop import Training


@dataclass(eq=False)
class Converging(Callback):
    """Tasks that converge and are then held by soft labels.

    Args:
        patience: Evaluations without improvement that make a task converged.
        min_evaluations: No convergence before; default ``2 * patience``.
        min_delta: Least improvement that counts, in units of the task's metric.
        relative: ``min_delta`` is a share of the best value's size instead.
        patience_steps: Steps without improvement instead of evaluations.
        test: ``patience``, ``slope`` or ``fixed``; see :class:`~polytask.ConvergenceMonitor`.
        fixed_step: Step at which tasks converge with ``fixed``, for all or by task name.
        teachers: Soft labels are the mean prediction of the parameters at so many best evaluations of the task; 1 is
            the paper's method. The single best one is partly lucky on validation, the mean of a few is not.
        temperature: Softens the labels of class kinds.
        kd_weight: Factor of a converged task's loss, beside its own weight.
        mixture: Share of the soft labels in a converged task's loss; 1 is soft labels only.
        half: Keep soft labels in two bytes per number instead of four.
        unlabelled: Hold a converged task also on rows where it has no label.
        reopen: A converged task that beats its best by ``min_delta`` gets new soft labels.
        tail: Evaluations after the last convergence; default ``2 * patience``.

    Raises:
        UserError: All unusable settings at once.
    """

    patience: int = 10
    min_evaluations: int | None = None
    min_delta: float = 0.0
    relative: bool = False
    patience_steps: int | None = None
    test: str = "patience"
    fixed_step: int | dict[str, int] | None = None
    teachers: int = 3
    temperature: float = 1.0
    kd_weight: float = 1.0
    mixture: float = 1.0
    half: bool = False
    unlabelled: bool = False
    reopen: bool = False
    tail: int | None = None
    monitors: dict[str, ConvergenceMonitor] = field(default_factory=dict, init=False, repr=False)
    converged_at: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    _labels_of: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    _since_settled: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        problems = check_mixture(self.temperature, self.kd_weight, self.mixture)
        for name, least in (("patience", 1), ("teachers", 1), ("min_evaluations", 0), ("tail", 0),
                            ("patience_steps", 1)):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < least:
                problems.append(f"{name} must be at least {least}, found {value}")
        if not self.min_delta >= 0:
            problems.append(f"min_delta must be at least 0, found {self.min_delta}")
        if self.test not in TESTS:
            problems.append(f"test {self.test!r} is not known; {did_you_mean(self.test, TESTS)}")
        if (self.test == "fixed") != (self.fixed_step is not None):
            problems.append(f"fixed_step and test 'fixed' go together, found fixed_step={self.fixed_step}, "
                            f"test={self.test!r}")  # fmt: skip
        raise_all([f"convergence: {problem}" for problem in problems])

    def start(self, training: Training) -> None:
        self.converged_at, self._labels_of, self._since_settled = {}, {}, 0
        self.monitors = {task.name: self._monitor(task, training.trivial[task.name]) for task in training.tasks}

    def _monitor(self, task: Task, trivial: float) -> ConvergenceMonitor:
        metric = task.metric_definition
        perfect = 1.0 if metric.higher_is_better else 0.0
        fixed = self.fixed_step.get(task.name) if isinstance(self.fixed_step, dict) else self.fixed_step
        return ConvergenceMonitor(
            metric.higher_is_better,
            self.patience,
            2 * self.patience if self.min_evaluations is None else self.min_evaluations,
            self.min_delta,
            trivial,
            floor=0.0 if math.isnan(trivial) else LEAST_SKILL * abs(perfect - trivial),
            keep=self.teachers,
            relative=self.relative,
            patience_steps=self.patience_steps,
            test=self.test,
            fixed_step=fixed,
        )

    def observe(self, training: Training, evaluation: Evaluation, names: Iterable[str]) -> list[str]:
        """Note the metrics of some tasks, keep the parameters of their best evaluations; gives those that converged."""
        newly = []
        for name in names:
            monitor = self.monitors[name]
            if monitor.update(evaluation.step, evaluation.validation[name]):
                newly.append(name)
            if any(step == evaluation.step for _, step in monitor.top):
                training.keep_snapshot()
        return newly

    def refresh(self, training: Training, evaluation: Evaluation) -> None:
        """New soft labels for converged tasks that have become better than they ever were."""
        better = [name for name in self.converged_at if self.monitors[name].improves(evaluation.validation[name])]
        if self.reopen and better:
            self.observe(training, evaluation, better)
            self.switch(training, better)

    def switch(self, training: Training, names: Sequence[str]) -> None:
        """Record the teachers' predictions for some tasks; from now on the tasks learn from these."""
        positions = {task.name: position for position, task in enumerate(training.tasks)}
        steps = {positions[name]: [step for _, step in self.monitors[name].top] for name in names}
        self._labels_of |= dict.fromkeys(names, training.step)
        stores = {positions[name]: self._store(training, positions[name]) for name in names}
        for position, outputs in record_teachers(training, steps, stores).items():
            name, monitor = training.tasks[position].name, self.monitors[training.tasks[position].name]
            self._use(training, position, outputs)
            event = "refreshed" if name in self.converged_at else "converged"
            self.converged_at.setdefault(name, training.step)
            training.balancer.task_switched(position)
            training.write(event, task=name, peak=monitor.best, best_epoch=training.epoch_of(monitor.best_step))

    def _store(self, training: Training, position: int) -> SoftLabelStore:
        task = training.tasks[position]
        path = self._file(training.folder, position, task.name) if training.folder is not None else None
        teachers = len(self.monitors[task.name].top)
        return SoftLabelStore(task.definition, _shape(training, position), teachers, path, self.half)

    def _use(self, training: Training, position: int, outputs: Tensor) -> None:
        labels = SoftLabels(outputs, self.temperature, self.kd_weight, self.mixture, self.unlabelled)
        training.objective.use_soft_labels(position, labels)

    def _file(self, folder: Path, position: int, name: str) -> Path:
        # With the step in its name: a run resumed from before a refresh finds the labels of that time.
        return folder / "soft_labels" / f"{position}.{self._labels_of[name]}.{rank()}.bin"

    def resume(self, training: Training) -> None:
        for position, task in enumerate(training.tasks):
            if task.name in self.converged_at:
                assert training.folder is not None
                file = self._file(training.folder, position, task.name)
                if not file.exists():
                    raise UserError(f"{file}: file not found; restore it or start the run again")
                self._use(training, position, map_labels(file, _shape(training, position), self.half))

    @property
    def settled(self) -> bool:
        """Every task has converged, or has stalled for long at its trivial level."""
        return all(
            name in self.converged_at or (monitor.bad >= 4 * self.patience and not monitor.above_floor)
            for name, monitor in self.monitors.items()
        )

    @property
    def finished(self) -> bool:
        tail = 2 * self.patience if self.tail is None else self.tail
        return self.settled and self._since_settled > tail

    @property
    def checkpoint_rank(self) -> int:
        """1 once at most one task still learns from its own labels."""
        return int(len(self.converged_at) >= max(1, len(self.monitors) - 1))

    def needed_snapshots(self) -> set[int]:
        needed = (m for name, m in self.monitors.items() if self.reopen or name not in self.converged_at)
        return {step for monitor in needed for _, step in monitor.top}

    def state_dict(self) -> dict[str, Any]:
        return {
            "monitors": {name: monitor.state_dict() for name, monitor in self.monitors.items()},
            "converged_at": dict(self.converged_at),
            "labels_of": dict(self._labels_of),
            "since_settled": self._since_settled,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, monitor in self.monitors.items():
            monitor.load_state_dict(state["monitors"][name])
        self.converged_at = dict(state["converged_at"])
        self._labels_of = dict(state["labels_of"])
        self._since_settled = state["since_settled"]


def _shape(training: Training, position: int) -> tuple[int, ...]:
    """Shape of a task's soft labels."""
    task, rows = training.tasks[position], len(training.train)
    return (rows, task.width) if task.definition.vector_output else (rows,)


def record_teachers(
    training: Training, steps: dict[int, list[int]], stores: dict[int, SoftLabelStore]
) -> dict[int, Tensor]:
    """Predictions of each task's teachers for all training rows; tasks share the inference of a common teacher.

    Several processes infer a share of the rows each.

    Args:
        training: The training.
        steps: Steps of the teachers' snapshots, by the task's position.
        stores: Where the labels go.
    """
    teacher = copy.deepcopy(training.model)
    for step in sorted({step for chosen in steps.values() for step in chosen}):
        positions = [position for position, chosen in steps.items() if step in chosen]
        teacher.load_state_dict(training.snapshots.load(step))
        for rows, outputs in shared_inference(teacher, training.train, positions):
            for position, output in zip(positions, outputs, strict=True):
                stores[position].add(rows, output)
    return {position: store.outputs() for position, store in stores.items()}
