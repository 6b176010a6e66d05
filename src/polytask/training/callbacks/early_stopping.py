"""End a training when no task improves any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...config.convergence import ConvergenceOptions
from ...distillation import ConvergenceMonitor, monitor_of
from ..callback import Callback

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..loop import Training


#: Smaller improvements, in standard errors of the paired difference, are not waited for.
LEAST_ERRORS = 1.0


class EarlyStopping(Callback):
    """Ends the training when every task's validation metric has stalled.

    An improvement is one by more than a standard error of the paired difference. A task that has not learned yet is
    waited for until three quarters of the budget are used.

    Args:
        patience: Evaluations without improvement, per task; one task that improves continues the training.
        tasks: Names of the tasks that count; None for all that learn from their labels.
    """

    name = "early_stopping"
    ends_by_convergence = True

    def __init__(self, patience: int = 10, tasks: Sequence[str] | None = None) -> None:
        self.patience, self.tasks = patience, tasks
        self._progress = 0.0
        self.monitors: dict[str, ConvergenceMonitor] = {}

    def start(self, training: Training) -> None:
        options = ConvergenceOptions(patience=self.patience, min_evaluations=0, min_errors=LEAST_ERRORS)
        self._of_all = {task.name: monitor_of(options, task, *training.baseline[task.name]) for task in training.tasks}
        self._progress = 0.0
        self.monitors = {
            task.name: self._of_all[task.name]
            for position, task in enumerate(training.tasks)
            if position not in training.objective.soft and (self.tasks is None or task.name in self.tasks)
        }

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        for name, monitor in self.monitors.items():
            monitor.update(evaluation.step, training.measured[name])
        self._progress = training.progress

    @property
    def finished(self) -> bool:
        return not any(monitor.waited_for(self._progress) for monitor in self.monitors.values())

    def state_dict(self) -> dict[str, Any]:
        monitors = {name: monitor.state_dict() for name, monitor in self.monitors.items()}
        return {"monitors": monitors, "progress": self._progress}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        # Those that learned from labels then: which do now is known when all callbacks are restored.
        self.monitors = {name: self._of_all[name] for name in state["monitors"]}
        for name, monitor in self.monitors.items():
            monitor.load_state_dict(state["monitors"][name])
        self._progress = state["progress"]
