"""Which tasks still learn from their labels and which are held by soft labels: the decisions, for any loop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..config.convergence import ConvergenceOptions
from ..errors import did_you_mean, raise_all
from ..task.kinds import KINDS
from ..uncertainty import Estimate, as_estimate, exceeds
from .monitor import ConvergenceMonitor
from .soft_labels import SoftLabels

if TYPE_CHECKING:
    from ..task import Task

#: Least share of the way from a trivial to a perfect prediction that a task must have gone before it may converge.
FLOOR = 0.05
#: Probability that a task which is no better than its teacher is ever taken back, over all evaluations.
FALSE_REOPENED = 0.01


def soft_loss_fits(soft_loss: str, kinds: Iterable[str]) -> bool:
    """Whether a kind of task knows a distance to soft labels.

    Example:
        >>> soft_loss_fits("l1", ["binary"]), soft_loss_fits("l1", ["binary", "regression"])
        (False, True)
    """
    return soft_loss == "own" or any(soft_loss in KINDS[kind].soft_losses for kind in kinds)


def check_tasks(options: ConvergenceOptions, tasks: Iterable[Task]) -> None:
    """Raise a :class:`~polytask.UserError` where an option does not fit the tasks."""
    kinds, names, problems = {task.kind for task in tasks}, [task.name for task in tasks], []
    if isinstance(options.fixed_step, dict):
        problems += [f"convergence: fixed_step: {name!r} is not a task; {did_you_mean(name, names)}"
                     for name in options.fixed_step if name not in names]  # fmt: skip
    if not soft_loss_fits(options.soft_loss, kinds):
        problems.append(f"convergence: soft_loss {options.soft_loss!r} fits no task of kind {', '.join(sorted(kinds))}")
    raise_all(problems)


def monitor_of(
    options: ConvergenceOptions, task: Task, trivial: float | Estimate, null_error: float = 0.0
) -> ConvergenceMonitor:
    """What watches a task.

    Args:
        options: When a task has converged.
        task: The task.
        trivial: Metric of a constant prediction; minus infinity if unknown.
        null_error: See :class:`~polytask.ConvergenceMonitor`.
    """
    metric, level = task.metric_definition, as_estimate(trivial).value
    fixed = options.fixed_step.get(task.name) if isinstance(options.fixed_step, dict) else options.fixed_step
    return ConvergenceMonitor(
        metric.higher_is_better,
        options.patience,
        2 * options.patience if options.min_evaluations is None else options.min_evaluations,
        options.min_delta,
        trivial,
        floor=FLOOR * abs(metric.perfect - level) if math.isfinite(level) else 0.0,
        keep=options.teachers,
        relative=options.relative,
        patience_steps=options.patience_steps,
        test=options.test,
        fixed_step=fixed,
        null_error=null_error,
        min_errors=options.min_errors,
    )


def labels_of(options: ConvergenceOptions, outputs: Any, column: int | None = None) -> SoftLabels:
    """Soft labels from a teacher's outputs, see :class:`~polytask.SoftLabels`."""
    return SoftLabels(outputs, options.temperature, options.kd_weight, options.unlabelled, column, options.soft_loss)


@dataclass(eq=False)
class Convergence:
    """The state of all tasks of a training: which learn, which are held, and by which evaluations.

    A training loop passes it every evaluation (:meth:`observe`), keeps the parameters of :meth:`needed_steps`, and
    records the predictions of ``monitors[task].top_steps`` for the tasks that have converged (:meth:`hold`).

    Args:
        options: When a task has learned, improved and converged.
        monitors: By task name.

    Attributes:
        converged_at: ``{task: step}`` of the tasks that are held by soft labels.

    Source:
        W. Lu et al., NAACL 2022 Industry Track.

    Example:
        >>> from polytask import Task
        >>> options = ConvergenceOptions(patience=1, min_evaluations=0, teachers=3)
        >>> state = Convergence(options, {"a": monitor_of(options, Task("a"), 0.5)})
        >>> [state.observe(step, {"a": value}) for step, value in enumerate([0.7, 0.9, 0.8])]
        [[], [], ['a']]
        >>> state.hold("a", 2)
        >>> state.monitors["a"].top_steps
        [1, 2, 0]
    """

    options: ConvergenceOptions
    monitors: dict[str, ConvergenceMonitor]
    converged_at: dict[str, int] = field(default_factory=dict)
    _teachers: dict[str, Estimate] = field(default_factory=dict)
    _looks: dict[str, int] = field(default_factory=dict)

    @property
    def learning(self) -> list[str]:
        """The tasks that learn from their labels."""
        return [name for name in self.monitors if name not in self.converged_at]

    def observe(
        self, step: int, measured: Mapping[str, float | Estimate], names: Iterable[str] | None = None
    ) -> list[str]:
        """Note the validation metrics of tasks that learn from their labels.

        Args:
            step: Of the evaluation.
            measured: Metric by task; those of other tasks are left alone.
            names: Only these; None for all that learn.

        Returns:
            Tasks that have converged by this evaluation.
        """
        chosen = [name for name in (self.learning if names is None else names) if name in measured]
        return [name for name in chosen if self.monitors[name].update(step, measured[name])]

    def overtaken(self, measured: Mapping[str, float | Estimate]) -> list[str]:
        """Held tasks that are better than their teacher and their own peak by more than chance.

        Plain numbers, whose error is not known, are no evidence.
        """
        if not self.options.reopen or self.options.test == "fixed":
            return []
        return [name for name in self.converged_at if name in measured and self._overtakes(name, measured[name])]

    def _overtakes(self, name: str, value: float | Estimate) -> bool:
        monitor, found = self.monitors[name], as_estimate(value)
        self._looks[name] = looks = self._looks.get(name, 0) + 1
        references = [reference for reference in (monitor.peak, self._teachers.get(name)) if reference is not None]
        return bool(found.error) and all(
            exceeds((found - reference) * monitor.sign, FALSE_REOPENED, looks) for reference in references
        )

    def hold(self, name: str, step: int, teacher: Estimate | None = None) -> None:
        """The task's labels have been replaced.

        Args:
            name: The task.
            step: At which that happened.
            teacher: What the predictions that it now learns from reach on validation, if known.
        """
        self.converged_at[name] = step
        self._looks[name] = 0
        if teacher is not None:
            self._teachers[name] = teacher

    def release(self, name: str, step: int, value: float | Estimate) -> None:
        """The task learns from its labels again."""
        del self.converged_at[name]
        self._teachers.pop(name, None)
        self.monitors[name].restart(step, value)

    def needed_steps(self) -> set[int]:
        """Evaluations whose parameters may still become teachers."""
        return {step for name in self.learning for step in self.monitors[name].top_steps}

    def settled(self, progress: float) -> bool:
        """Every task has converged, or has not learned and is not waited for any longer.

        Args:
            progress: Share of the training's budget that is used.
        """
        return not any(self.monitors[name].waited_for(progress) or self.monitors[name].learned
                       for name in self.learning)  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes."""
        return {
            "monitors": {name: monitor.state_dict() for name, monitor in self.monitors.items()},
            "converged_at": dict(self.converged_at),
            "teachers": {name: teacher.state_dict() for name, teacher in self._teachers.items()},
            "looks": dict(self._looks),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        for name, monitor in self.monitors.items():
            monitor.load_state_dict(state["monitors"][name])
        self.converged_at = dict(state["converged_at"])
        self._teachers = {name: Estimate(**teacher) for name, teacher in state["teachers"].items()}
        self._looks = dict(state["looks"])
