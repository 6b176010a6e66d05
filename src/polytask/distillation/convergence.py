"""Which tasks still learn from their labels and which are held by soft labels: the decisions, for any loop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from ..errors import did_you_mean, raise_all
from ..ranges import Count, Range, range_problems
from ..task.kinds import KINDS, SOFT_LOSSES
from ..uncertainty import Estimate, as_estimate, exceeds
from .monitor import TESTS, ConvergenceMonitor
from .soft_labels import SoftLabels, check_mixture

if TYPE_CHECKING:
    from ..task import Task

#: Least share of the way from a trivial to a perfect prediction that a task must have gone before it may converge.
FLOOR = 0.05
#: Probability that a task which is no better than its teacher is ever taken back, over all evaluations.
FALSE_REOPENED = 0.01


@dataclass(eq=False)
class ConvergenceOptions:
    """When a task has converged, and how it is held then.

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
        reopen: A converged task that overtakes its teacher, and its own peak, by more than chance learns from its
            labels again (not with test ``fixed``).
        tail: Evaluations after the last convergence; default ``2 * patience``.
        soft_labels: ``stored``: predicted once for all training rows; ``online``: frozen snapshots predict every batch
            as the network sees it, for inputs that are changed at random.
        soft_loss: Distance to the soft labels: ``own`` of each kind; ``cross_entropy`` (classes, without taking off
            the teacher's entropy), ``logits`` (classes, squared), ``l1`` or ``huber`` (numbers). Kinds that do not know
            it keep their own.

    Raises:
        UserError: All unusable settings at once.
    """

    patience: Count = 10
    min_evaluations: Annotated[int | None, Range(whole=True)] = None
    min_delta: Annotated[float, Range()] = 0.0
    relative: bool = False
    patience_steps: Count | None = None
    test: str = "patience"
    fixed_step: int | dict[str, int] | None = None
    teachers: Count = 3
    temperature: float = 1.0
    kd_weight: float = 1.0
    mixture: float = 1.0
    half: bool = False
    unlabelled: bool = False
    reopen: bool = True
    tail: Annotated[int | None, Range(whole=True)] = None
    soft_labels: str = "stored"
    soft_loss: str = "own"

    def __post_init__(self) -> None:
        raise_all([f"convergence: {problem}" for problem in self._problems()])

    def _problems(self) -> Iterable[str]:
        yield from check_mixture(self.temperature, self.kd_weight, self.mixture)
        yield from range_problems(self)
        for name, known in (("test", TESTS), ("soft_labels", ("stored", "online")), ("soft_loss", SOFT_LOSSES)):
            if (found := getattr(self, name)) not in known:
                yield f"{name} {found!r} is not known; {did_you_mean(str(found), known)}"
        yield from self._without_effect()

    def _without_effect(self) -> Iterable[str]:
        if self.soft_loss in ("logits", "l1", "huber") and self.temperature != 1.0:
            yield f"temperature: has no effect on soft_loss {self.soft_loss!r}, found {self.temperature}"
        if self.soft_labels == "online" and self.half:
            yield "half: has an effect only on stored soft labels, found soft_labels='online'"
        if self.patience_steps is not None and self.test != "patience":
            yield f"patience_steps: has an effect only with test 'patience', found test={self.test!r}"
        if (self.test == "fixed") != (self.fixed_step is not None):
            yield f"fixed_step and test 'fixed' go together, found fixed_step={self.fixed_step}, test={self.test!r}"
        steps = self.fixed_step.values() if isinstance(self.fixed_step, dict) else [self.fixed_step or 0]
        if any(step < 0 for step in steps):
            yield f"fixed_step must be at least 0, found {self.fixed_step}"

    def check_tasks(self, tasks: Iterable[Task]) -> None:
        """Raise a :class:`UserError` where an option does not fit the tasks."""
        kinds, names, problems = {task.kind for task in tasks}, [task.name for task in tasks], []
        if isinstance(self.fixed_step, dict):
            problems += [f"convergence: fixed_step: {name!r} is not a task; {did_you_mean(name, names)}"
                         for name in self.fixed_step if name not in names]  # fmt: skip
        if self.soft_loss != "own" and not any(self.soft_loss in KINDS[kind].soft_losses for kind in kinds):
            problems.append(
                f"convergence: soft_loss {self.soft_loss!r} fits no task of kind {', '.join(sorted(kinds))}"
            )
        raise_all(problems)

    def monitor(self, task: Task, trivial: float | Estimate, null_error: float = 0.0) -> ConvergenceMonitor:
        """What watches a task.

        Args:
            task: The task.
            trivial: Metric of a constant prediction; minus infinity if unknown.
            null_error: See :class:`~polytask.ConvergenceMonitor`.
        """
        metric, level = task.metric_definition, as_estimate(trivial).value
        perfect = 1.0 if metric.higher_is_better else 0.0
        fixed = self.fixed_step.get(task.name) if isinstance(self.fixed_step, dict) else self.fixed_step
        return ConvergenceMonitor(
            metric.higher_is_better,
            self.patience,
            2 * self.patience if self.min_evaluations is None else self.min_evaluations,
            self.min_delta,
            trivial,
            floor=FLOOR * abs(perfect - level) if math.isfinite(level) else 0.0,
            keep=self.teachers,
            relative=self.relative,
            patience_steps=self.patience_steps,
            test=self.test,
            fixed_step=fixed,
            null_error=null_error,
        )

    def labels(self, outputs: Any, column: int | None = None) -> SoftLabels:
        """Soft labels from a teacher's outputs, see :class:`~polytask.SoftLabels`."""
        return SoftLabels(
            outputs, self.temperature, self.kd_weight, self.mixture, self.unlabelled, column, self.soft_loss
        )


@dataclass(eq=False)
class Convergence:
    """The state of all tasks of a training: who learns, who is held, and by which evaluations.

    A training loop shows it every evaluation (:meth:`observe`), keeps the parameters of :meth:`needed_steps`, and
    records the predictions of ``monitors[task].top_steps`` for the tasks that have converged (:meth:`hold`).

    Args:
        options: See there.
        monitors: By task name.

    Attributes:
        converged_at: ``{task: step}`` of the tasks that are held by soft labels.

    Source:
        W. Lu et al., NAACL 2022 Industry Track.

    Example:
        >>> from polytask import Task
        >>> options = ConvergenceOptions(patience=1, min_evaluations=0)
        >>> state = Convergence(options, {"a": options.monitor(Task("a"), 0.5)})
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
        sign = 1.0 if monitor.higher_is_better else -1.0
        references = [reference for reference in (monitor.peak, self._teachers.get(name)) if reference is not None]
        return bool(found.error) and all(
            exceeds((found - reference) * sign, FALSE_REOPENED, looks) for reference in references
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
