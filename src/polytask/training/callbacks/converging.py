"""What joint and sequential convergence have in common: monitors, teachers and the switch to soft labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...distillation import ConvergenceMonitor, SoftLabels, check_mixture
from ...distillation.monitor import TESTS
from ...errors import UserError, did_you_mean, raise_all
from ...task.distances import DISTANCES, SOFT_LOSSES
from .callback import Callback
from .label_sources import LabelSource, OnlineLabels, StoredLabels

if TYPE_CHECKING:
    from ...task import Task
    from ..evaluation import Evaluation
    from ..loop import Training

#: Least share of the way from a trivial to a perfect prediction that a task must have gone before it may converge.
FLOOR = 0.05


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
        soft_labels: ``stored``: predicted once for all training rows; ``online``: frozen snapshots predict every batch
            as the network sees it, for inputs that are changed at random.
        soft_loss: Distance to the soft labels: ``own`` of each kind; ``cross_entropy`` (classes, without taking off
            the teacher's entropy), ``logits`` (classes, squared), ``l1`` or ``huber`` (numbers). Kinds that do not know
            it keep their own.

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
    soft_labels: str = "stored"
    soft_loss: str = "own"
    monitors: dict[str, ConvergenceMonitor] = field(default_factory=dict, init=False, repr=False)
    converged_at: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    _source: LabelSource = field(init=False, repr=False)
    _resumed: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
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
        for name, known in (("test", TESTS), ("soft_labels", ("stored", "online")), ("soft_loss", SOFT_LOSSES)):
            if getattr(self, name) not in known:
                problems.append(
                    f"{name} {getattr(self, name)!r} is not known; {did_you_mean(getattr(self, name), known)}"
                )
        if self.soft_loss in ("logits", "l1", "huber") and self.temperature != 1.0:
            problems.append(f"temperature: has no effect on soft_loss {self.soft_loss!r}, found {self.temperature}")
        if self.soft_labels == "online" and self.half:
            problems.append("half: has an effect only on stored soft labels, found soft_labels='online'")
        if (self.test == "fixed") != (self.fixed_step is not None):
            problems.append(f"fixed_step and test 'fixed' go together, found fixed_step={self.fixed_step}, "
                            f"test={self.test!r}")  # fmt: skip
        raise_all([f"convergence: {problem}" for problem in problems])

    def start(self, training: Training) -> None:
        self.converged_at, self._since_settled = {}, 0
        online = self.soft_labels == "online"
        self._source = OnlineLabels(training) if online else StoredLabels(training, self.half, self.unlabelled)
        if isinstance(self.fixed_step, dict):
            names = [task.name for task in training.tasks]
            raise_all([f"convergence: fixed_step: {name!r} is not a task; {did_you_mean(name, names)}"
                       for name in self.fixed_step if name not in names])  # fmt: skip
        kinds = {task.kind for task in training.tasks}
        if self.soft_loss != "own" and not any(self.soft_loss in DISTANCES.get(kind, {}) for kind in kinds):
            raise UserError(
                f"convergence: soft_loss {self.soft_loss!r} fits no task of kind {', '.join(sorted(kinds))}"
            )
        learning = [task for place, task in enumerate(training.tasks) if place not in training.objective.soft]
        self.monitors = {task.name: self._monitor(task, training.trivial[task.name]) for task in learning}

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
            floor=0.0 if math.isnan(trivial) else FLOOR * abs(perfect - trivial),
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
        chosen = {positions[name]: self.monitors[name].top_steps for name in names}
        candidates = {positions[name]: monitor.top_steps for name, monitor in self.monitors.items()
                      if self.reopen or name not in {*names, *self.converged_at}}  # fmt: skip
        self._source.record(chosen, candidates)
        for name in names:
            event = "refreshed" if name in self.converged_at else "converged"
            self.converged_at.setdefault(name, training.step)
            training.balancer.task_switched(positions[name])
            monitor = self.monitors[name]
            training.write(event, task=name, peak=monitor.best, best_epoch=training.epoch_of(monitor.best_step))
        self._use(training)

    def _use(self, training: Training) -> None:
        """All converged tasks learn from the teachers' predictions."""
        for position, task in enumerate(training.tasks):
            if task.name in self.converged_at:
                outputs, column = self._source.labels(position)
                labels = SoftLabels(
                    outputs, self.temperature, self.kd_weight, self.mixture, self.unlabelled, column, self.soft_loss
                )
                training.objective.use_soft_labels(position, labels)

    def resume(self, training: Training) -> None:
        self._source.load_state_dict(self._resumed)
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
        undecided = [name for name in self.monitors if self.reopen or name not in self.converged_at]
        return {step for name in undecided for step in self.monitors[name].top_steps} | self._source.needed()

    def state_dict(self) -> dict[str, Any]:
        return {
            "monitors": {name: monitor.state_dict() for name, monitor in self.monitors.items()},
            "converged_at": dict(self.converged_at),
            "source": self._source.state_dict(),
            "since_settled": self._since_settled,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, monitor in self.monitors.items():
            monitor.load_state_dict(state["monitors"][name])
        self.converged_at = dict(state["converged_at"])
        self._resumed = state["source"]
        self._since_settled = state["since_settled"]
