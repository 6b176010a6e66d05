"""End a training when no task improves any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...distillation.monitor import ConvergenceMonitor
from .callback import Callback

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..loop import Training


class EarlyStopping(Callback):
    """Ends the training when every task's validation metric has stalled.

    Args:
        patience: Evaluations without improvement, per task; a task that improves keeps all going.
        tasks: Names of the tasks that are looked at; None for all that learn from their labels.
    """

    name = "early_stopping"

    def __init__(self, patience: int = 10, tasks: Sequence[str] | None = None) -> None:
        self.patience, self.tasks = patience, tasks
        self.monitors: dict[str, ConvergenceMonitor] = {}

    def start(self, training: Training) -> None:
        self._of_all = {
            task.name: ConvergenceMonitor(task.metric_definition.higher_is_better, self.patience, min_evaluations=0)
            for task in training.tasks
        }
        self.monitors = {
            task.name: self._of_all[task.name]
            for position, task in enumerate(training.tasks)
            if position not in training.objective.soft and (self.tasks is None or task.name in self.tasks)
        }

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        for name, monitor in self.monitors.items():
            monitor.update(evaluation.step, evaluation.validation[name])

    @property
    def finished(self) -> bool:
        return all(monitor.stalled for monitor in self.monitors.values())

    def state_dict(self) -> dict[str, Any]:
        return {name: monitor.state_dict() for name, monitor in self.monitors.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        # Those that learnt from labels then: which do now is known when all callbacks are restored.
        self.monitors = {name: self._of_all[name] for name in state}
        for name, monitor in self.monitors.items():
            monitor.load_state_dict(state[name])
