"""Tasks are added one at a time; those that have converged are held by their soft labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...config.convergence import SequentialOptions
from ...errors import UserError, did_you_mean
from ...task.order import ORDERS, task_order
from .converging import Converging

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..loop import Training


@dataclass(eq=False)
class SequentialConvergence(SequentialOptions, Converging):
    """Sequential asynchronous convergence by distillation from converged tasks.

    Stage a trains the first a tasks of the order: those before the last on their soft labels, the last on its own
    labels, later ones not at all (their heads stay as they are). Every stage has the length of a training: it ends
    when its task has converged, when that has not learned in three quarters of ``max_stage_steps``, or after all of
    these; its task then counts as converged at its best. The best parameters of that task are restored, the optimiser
    starts afresh, and its soft labels are recorded. After the last stage training ends.

    Suits tasks with separate inputs, slow ones first; on one shared table joint training is better.

    Options: those of the sections `convergence` and `sequential`, see
    :class:`~polytask.config.ConvergenceOptions` and :class:`~polytask.config.SequentialOptions`. Orders that depend on
    other trainings (``slowest_first``, ``fastest_first``, ``largest_gap_first``) need names here and work in ``polytask
    fit``.

    Source:
        Lu et al., NAACL 2022 Industry Track, sequential setting; order, cap and restoring are our choices.

    Example:
        >>> SequentialConvergence(order="largest_first").order
        'largest_first'
    """

    name = "sequential_convergence"
    stage: int = field(default=0, init=False)
    _began: int = field(default=0, init=False, repr=False)
    _cap: int = field(default=0, init=False, repr=False)
    _queue: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.order, str) and self.order not in ORDERS:
            raise UserError(f"convergence: order {self.order!r} is not known; {did_you_mean(self.order, ORDERS)}")

    @property
    def chooses_tasks(self) -> bool:
        return True

    def start(self, training: Training) -> None:
        super().start(training)
        self.stage, self._began = 0, 0
        self._queue = self._ordered(training)
        every = training.settings.evaluate_every or 1
        self._cap = math.ceil((self.max_stage_steps or training.settings.steps or 1) / every) * every
        self._enter(training)

    def _ordered(self, training: Training) -> list[str]:
        names = list(self.monitors)
        counts = zip(training.tasks, training.train.label_counts().tolist(), strict=True)
        labels = {task.name: count for task, count in counts if task.name in names}
        return task_order(self.order, names, labels=labels, seed=training.seed)

    def _enter(self, training: Training) -> None:
        """Only the tasks of this stage take part from now on."""
        positions = {task.name: position for position, task in enumerate(training.tasks)}
        held = [position for name, position in positions.items() if name not in self.monitors]
        training.restrict([*held, *(positions[name] for name in self._queue[: self.stage + 1])], since=self._began)
        if self.learning_rate_restart:
            training.restart_schedule(self._cap)

    @property
    def total_steps(self) -> int:
        return len(self._queue) * self._cap

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        if self.stage >= len(self._queue):
            return
        name = self._queue[self.stage]
        monitor = self.monitors[name]
        self.observe(training, evaluation, [name])
        used = (training.step - self._began) / self._cap
        if used >= 1 or not monitor.waited_for(used):
            self._advance(training, name, best_step=monitor.kept_step)

    def _advance(self, training: Training, name: str, best_step: int) -> None:
        if best_step >= 0:
            self.switch(training, [name])
            if self.restore:
                training.restore(best_step)
        self.stage, self._began = self.stage + 1, training.step
        if self.stage < len(self._queue):
            self._enter(training)

    def after_training(self, training: Training) -> None:
        if left := self._queue[self.stage :]:
            raise UserError(
                f"convergence: sequential: training ended before {', '.join(left)} were trained; remove "
                "what ends it, or use converge: joint"
            )

    def plan(self, tasks: Sequence[str], steps: int) -> str:
        """What will be trained, and what it costs at most, in a sentence.

        Example:
            >>> SequentialConvergence().plan(["a", "b"], 500)
            'sequential convergence: 2 stages (a, b) of at most 500 steps each, at most 2 times a joint training'
        """
        most = self.max_stage_steps or steps
        return (f"sequential convergence: {len(tasks)} stages ({', '.join(tasks)}) of at most {most:,} steps each, at "
                f"most {len(tasks) * most / steps:g} times a joint training")  # fmt: skip

    @property
    def finished(self) -> bool:
        return self.stage >= len(self._queue)

    @property
    def checkpoint_rank(self) -> int:
        """Later stages know more tasks."""
        return min(self.stage, len(self._queue) - 1)

    def resume(self, training: Training) -> None:
        super().resume(training)
        if not self.finished:
            schedule = training.schedule_start, training.schedule_steps
            self._enter(training)
            training.schedule_start, training.schedule_steps = schedule

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"stage": self.stage, "began": self._began, "queue": list(self._queue)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.stage, self._began, self._queue = state["stage"], state["began"], list(state["queue"])
