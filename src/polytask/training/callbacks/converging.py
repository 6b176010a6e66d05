"""What joint and sequential convergence have in common: monitors, teachers and the switch to soft labels."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...distillation import ConvergenceMonitor, SoftLabels, SoftLabelStore, check_mixture
from ...distillation.monitor import TESTS
from ...errors import UserError, did_you_mean, raise_all
from ...gain import LEAST_SKILL
from ...processes import rank
from .callback import Callback
from .teachers import TeacherOutputs, label_shape

if TYPE_CHECKING:
    from pathlib import Path

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
    _written_at: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _stores: dict[int, SoftLabelStore] = field(default_factory=dict, init=False, repr=False)
    _teachers: TeacherOutputs = field(init=False, repr=False)
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
        self.converged_at, self._written_at, self._stores, self._since_settled = {}, {}, {}, 0
        self._teachers = TeacherOutputs(training, self.unlabelled)
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
        best = {positions[name]: m.top_steps for name, m in self.monitors.items() if name in [*names, *self._undecided]}
        for number, group in enumerate(training.objective.groups):
            switched = [position for position in group.tasks if training.tasks[position].name in names]
            if switched:
                self._open(training, number, switched)
            for position in switched:
                outputs = self._teachers.of(position, best[position], best)
                self._stores[number].fill(group.tasks.index(position), outputs)
        for name in names:
            event = "refreshed" if name in self.converged_at else "converged"
            self.converged_at.setdefault(name, training.step)
            training.balancer.task_switched(positions[name])
            monitor = self.monitors[name]
            training.write(event, task=name, peak=monitor.best, best_epoch=training.epoch_of(monitor.best_step))
        self._use(training)
        self._teachers.keep_only({positions[name]: self.monitors[name].top_steps for name in self._undecided})

    @property
    def _undecided(self) -> list[str]:
        """Tasks that may still need the parameters of their best evaluations."""
        return [name for name in self.monitors if self.reopen or name not in self.converged_at]

    def _open(self, training: Training, number: int, switched: Sequence[int]) -> None:
        """Make the labels of a group of tasks ready for those that switch.

        A column in use is not written again, the whole is copied: a run resumed from before a refresh finds the labels
        of that time.
        """
        used = any(training.tasks[position].name in self.converged_at for position in switched)
        if number in self._stores and not used:
            return
        old = self._file(training, number) if used else None
        self._written_at[number] = training.step
        new = self._file(training, number)
        if new is not None:
            new.unlink(missing_ok=True)  # of an interrupted run
            if old is not None:
                shutil.copyfile(old, new)
        if new is not None or number not in self._stores:
            self._stores[number] = self._store(training, number)

    def _store(self, training: Training, number: int) -> SoftLabelStore:
        group = training.objective.groups[number]
        rows, *rest = label_shape(training, group.tasks[0])
        shape = (rows, len(group.tasks), *rest)
        return SoftLabelStore(group.kind, shape, self._file(training, number), self.half, training.fabric.device)

    def _file(self, training: Training, number: int) -> Path | None:
        folder = training.folder
        return folder / "soft_labels" / f"{number}.{self._written_at[number]}.{rank()}.bin" if folder else None

    def _use(self, training: Training) -> None:
        """All converged tasks learn from their column of the stores."""
        for number, group in enumerate(training.objective.groups):
            for column, position in enumerate(group.tasks):
                if training.tasks[position].name in self.converged_at:
                    labels = SoftLabels(
                        self._stores[number].values,
                        self.temperature,
                        self.kd_weight,
                        self.mixture,
                        self.unlabelled,
                        column,
                    )
                    training.objective.use_soft_labels(position, labels)

    def resume(self, training: Training) -> None:
        for number in self._written_at:
            file = self._file(training, number)
            if file is None or not file.exists():
                raise UserError(f"{file}: file not found; restore it or start the run again")
            self._stores[number] = self._store(training, number)
        self._use(training)

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
        return {step for name in self._undecided for step in self.monitors[name].top_steps}

    def state_dict(self) -> dict[str, Any]:
        return {
            "monitors": {name: monitor.state_dict() for name, monitor in self.monitors.items()},
            "converged_at": dict(self.converged_at),
            "written_at": list(self._written_at.items()),
            "since_settled": self._since_settled,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, monitor in self.monitors.items():
            monitor.load_state_dict(state["monitors"][name])
        self.converged_at = dict(state["converged_at"])
        self._written_at = dict(state["written_at"])
        self._since_settled = state["since_settled"]
