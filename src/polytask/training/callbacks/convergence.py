"""Every task converges on its own schedule and keeps its peak."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...distillation import ConvergenceMonitor, SoftLabels, check_mixture
from ...errors import raise_all
from ...files import load_tree, save_tree
from ..common_checkpoint import LEAST_SKILL
from ..evaluation import task_outputs
from .callback import Callback

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..loop import Training


class AsynchronousConvergence(Callback):
    """Joint asynchronous convergence by distillation from converged tasks.

    All tasks train from the start. When the validation metric of one has not improved for ``patience`` evaluations, its
    labels are replaced by the predictions of its own best parameters on its training rows; current parameters and
    optimiser go on. Training ends ``tail`` evaluations after the last task has converged.

    Args:
        patience: Evaluations without improvement that make a task converged.
        min_evaluations: No convergence before; default ``2 * patience``.
        min_delta: Least improvement that counts, in units of the task's metric.
        teachers: Soft labels are the mean prediction of the parameters at so many best evaluations of the task; 1 is
            the paper's method. The single best one is partly lucky on validation, the mean of a few is not.
        temperature: Softens the labels of class kinds.
        kd_weight: Factor of a converged task's loss, beside its own weight.
        mixture: Share of the soft labels in a converged task's loss; 1 is soft labels only.
        tail: Evaluations after the last convergence; default ``2 * patience``.

    A task whose metric has not left its trivial level by 2 % of the way to perfect does not converge (it would be held
    where it has learned nothing); it does not hold up the end once it has stalled for ``4 * patience``.

    Raises:
        UserError: All unusable settings at once.

    Source:
        W. Lu et al., "Asynchronous Convergence in Multi-Task Learning via Knowledge Distillation from Converged Tasks",
        NAACL 2022 Industry Track, pp. 149-159. The test of convergence, the averaged teachers, the floor and the tail
        are our choices; what is public of the paper leaves them open.
    """

    name = "asynchronous_convergence"

    def __init__(
        self,
        patience: int = 5,
        *,
        min_evaluations: int | None = None,
        min_delta: float = 0.0,
        teachers: int = 3,
        temperature: float = 1.0,
        kd_weight: float = 1.0,
        mixture: float = 1.0,
        tail: int | None = None,
    ) -> None:
        problems = check_mixture(temperature, kd_weight, mixture)
        for name, value, least in (
            ("patience", patience, 1),
            ("teachers", teachers, 1),
            ("min_evaluations", min_evaluations, 0),
            ("tail", tail, 0),
        ):
            if value is not None and value < least:
                problems.append(f"{name} must be at least {least}, found {value}")
        if not min_delta >= 0:
            problems.append(f"min_delta must be at least 0, found {min_delta}")
        raise_all([f"convergence: {problem}" for problem in problems])
        self.patience, self.min_delta, self.teachers = patience, min_delta, teachers
        self.min_evaluations = 2 * patience if min_evaluations is None else min_evaluations
        self.temperature, self.kd_weight, self.mixture = temperature, kd_weight, mixture
        self.tail = 2 * patience if tail is None else tail
        self.monitors: dict[str, ConvergenceMonitor] = {}
        self.converged_at: dict[str, int] = {}
        self._since_settled = 0

    def start(self, training: Training) -> None:
        self.monitors = {}
        for task in training.tasks:
            metric, trivial = task.metric_definition, training.trivial[task.name]
            perfect = 1.0 if metric.higher_is_better else 0.0
            self.monitors[task.name] = ConvergenceMonitor(
                metric.higher_is_better,
                self.patience,
                self.min_evaluations,
                self.min_delta,
                trivial,
                floor=LEAST_SKILL * abs(perfect - trivial),
                keep=self.teachers,
            )

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        newly = []
        for task, monitor in self.monitors.items():
            if task in self.converged_at:
                continue
            if monitor.update(evaluation.step, evaluation.validation[task]):
                newly.append(task)
            if any(step == evaluation.step for _, step in monitor.top):
                training.snapshots.save(evaluation.step, training.model)
        if newly:
            self._switch(training, newly)
        if self.settled:
            self._since_settled += 1

    def _switch(self, training: Training, names: list[str]) -> None:
        """Record the teachers' predictions for all newly converged tasks, then train on them."""
        positions = {task.name: position for position, task in enumerate(training.tasks)}
        steps = {positions[name]: [step for _, step in self.monitors[name].top] for name in names}
        for position, outputs in _teacher_outputs(training, steps).items():
            task = training.tasks[position]
            if training.folder is not None:
                save_tree(_file(training.folder, position), outputs)
            self._use(training, position, outputs)
            self.converged_at[task.name] = training.step
            training.balancer.task_switched(position)
            monitor = self.monitors[task.name]
            training.write(
                "converged", task=task.name, peak=monitor.best, best_epoch=training.epoch_of(monitor.best_step)
            )

    def _use(self, training: Training, position: int, outputs: Tensor) -> None:
        labels = SoftLabels(outputs.to(training.fabric.device), self.temperature, self.kd_weight, self.mixture)
        training.objective.use_soft_labels(position, labels)

    def resume(self, training: Training) -> None:
        for position, task in enumerate(training.tasks):
            if task.name in self.converged_at:
                assert training.folder is not None
                self._use(training, position, load_tree(_file(training.folder, position)))

    @property
    def settled(self) -> bool:
        """Every task has converged, or has stalled for long at its trivial level."""
        return all(
            name in self.converged_at or (monitor.bad >= 4 * self.patience and not monitor.above_floor)
            for name, monitor in self.monitors.items()
        )

    @property
    def finished(self) -> bool:
        return self.settled and self._since_settled > self.tail

    @property
    def checkpoint_rank(self) -> int:
        """1 once at most one task still learns from its own labels."""
        return int(len(self.converged_at) >= max(1, len(self.monitors) - 1))

    def needed_snapshots(self) -> set[int]:
        active = (monitor for name, monitor in self.monitors.items() if name not in self.converged_at)
        return {step for monitor in active for _, step in monitor.top}

    def state_dict(self) -> dict[str, Any]:
        return {
            "monitors": {name: monitor.state_dict() for name, monitor in self.monitors.items()},
            "converged_at": dict(self.converged_at),
            "since_settled": self._since_settled,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, monitor in self.monitors.items():
            monitor.load_state_dict(state["monitors"][name])
        self.converged_at = dict(state["converged_at"])
        self._since_settled = state["since_settled"]


def _file(folder: Path, position: int) -> Path:
    return folder / "soft_labels" / f"{position}.safetensors"


def _teacher_outputs(training: Training, steps: dict[int, list[int]]) -> dict[int, Tensor]:
    """Mean prediction of each task's teachers on all training rows; tasks share the inference of a common teacher."""
    teacher = copy.deepcopy(training.model)
    outputs: dict[int, list[Tensor]] = {position: [] for position in steps}
    for step in sorted({step for chosen in steps.values() for step in chosen}):
        positions = [position for position, chosen in steps.items() if step in chosen]
        teacher.load_state_dict(training.snapshots.load(step))
        for position, output in zip(positions, task_outputs(teacher, training.train, positions), strict=True):
            outputs[position].append(output)
    return {position: training.tasks[position].definition.average(found) for position, found in outputs.items()}
