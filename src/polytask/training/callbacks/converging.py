"""What joint and sequential convergence have in common in our loop: teachers, the switch to soft labels and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...config.convergence import ConvergenceOptions
from ...distillation import (
    Convergence,
    ConvergenceMonitor,
    check_tasks,
    labels_of,
    monitor_of,
)
from ..callback import Callback
from ..kept_outputs import KeptOutputs
from .label_sources import LabelSource, OnlineLabels, StoredLabels

if TYPE_CHECKING:
    from ...models import MultiTaskModel
    from ..evaluation import Evaluation
    from ..loop import Training


@dataclass(eq=False)
class Converging(ConvergenceOptions, Callback):
    """Tasks that converge and are then held by soft labels; see :class:`~polytask.config.ConvergenceOptions`."""

    state: Convergence = field(init=False, repr=False)
    _source: LabelSource = field(init=False, repr=False)
    _kept: KeptOutputs = field(default_factory=KeptOutputs, init=False, repr=False)
    _resumed: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _since_settled: int = field(default=0, init=False, repr=False)

    __eq__, __hash__ = object.__eq__, object.__hash__  # two of equal options are not one

    def check(self, model: MultiTaskModel) -> None:
        check_tasks(self, model.tasks)

    def start(self, training: Training) -> None:
        self._since_settled, self._kept = 0, KeptOutputs()
        online = self.soft_labels == "online"
        self._source = OnlineLabels(training) if online else StoredLabels(training, self.half, self.unlabelled)
        learning = [task for place, task in enumerate(training.tasks) if place not in training.objective.soft]
        self.state = Convergence(self, {
            task.name: monitor_of(self, task, *training.baseline[task.name]) for task in learning
        })  # fmt: skip

    @property
    def monitors(self) -> dict[str, ConvergenceMonitor]:
        """What watches each task."""
        return self.state.monitors

    @property
    def converged_at(self) -> dict[str, int]:
        """``{task: step}`` of the tasks that are held by soft labels."""
        return self.state.converged_at

    def observe(self, training: Training, evaluation: Evaluation, names: Iterable[str]) -> list[str]:
        """Note the metrics of some tasks, keep the parameters of their best evaluations; gives those that converged."""
        newly = self.state.observe(evaluation.step, training.measured, names)
        if evaluation.step in self.state.needed_steps():
            training.keep_snapshot()
        if self.reopen:
            self._kept.update(evaluation.step, training.outputs, self._candidates(training))
        return newly

    def _candidates(self, training: Training) -> dict[int, list[int]]:
        """Steps of the best evaluations of the tasks that learn from their labels, by position."""
        learning = set(self.state.learning)
        return {position: self.monitors[task.name].top_steps
                for position, task in enumerate(training.tasks) if task.name in learning}  # fmt: skip

    def take_back(self, training: Training) -> None:
        """Tasks that have overtaken their teachers learn from their labels again."""
        positions = {task.name: position for position, task in enumerate(training.tasks)}
        for name in self.state.overtaken(training.measured):
            before = self.monitors[name].best
            self.state.release(name, training.step, training.measured[name])
            training.keep_snapshot()
            training.objective.use_labels(positions[name])
            training.balancer.task_reopened(positions[name])
            training.write("reopened", task=name, peak=before, value=self.monitors[name].best)

    def switch(self, training: Training, names: Sequence[str]) -> None:
        """Record the teachers' predictions for some tasks; from now on the tasks learn from these."""
        positions = {task.name: position for position, task in enumerate(training.tasks)}
        chosen = {positions[name]: self.monitors[name].top_steps for name in names}
        candidates = {position: steps for position, steps in self._candidates(training).items()
                      if position not in chosen}  # fmt: skip
        self._source.record(chosen, candidates)
        teachers = training.measure_mean(chosen, self._kept.known) if self.reopen else {}
        for name in names:
            self.state.hold(name, training.step, teachers.get(name))
            training.balancer.task_switched(positions[name])
            monitor = self.monitors[name]
            training.write("converged", task=name, peak=monitor.best, best_epoch=training.epoch_of(monitor.best_step))
        self._use(training)

    def _use(self, training: Training) -> None:
        """All converged tasks learn from the teachers' predictions."""
        for position, task in enumerate(training.tasks):
            if task.name in self.converged_at:
                training.objective.use_soft_labels(position, labels_of(self, *self._source.labels(position)))

    def resume(self, training: Training) -> None:
        self._source.load_state_dict(self._resumed)
        self._use(training)

    @property
    def finished(self) -> bool:
        tail = 2 * self.patience if self.tail is None else self.tail
        return self._since_settled > tail

    @property
    def checkpoint_rank(self) -> int:
        """1 once at most one task still learns from its own labels."""
        return int(len(self.converged_at) >= max(1, len(self.monitors) - 1))

    def needed_snapshots(self) -> set[int]:
        return self.state.needed_steps() | self._source.needed()

    def state_dict(self) -> dict[str, Any]:
        return {
            "convergence": self.state.state_dict(),
            "source": self._source.state_dict(),
            "since_settled": self._since_settled,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state.load_state_dict(state["convergence"])
        self._resumed = state["source"]
        self._since_settled = state["since_settled"]
