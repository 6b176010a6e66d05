"""Asynchronous convergence for a training that somebody else runs."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..balancing import Balancer
from ..distillation import Convergence, ConvergenceMonitor, ConvergenceOptions, SoftLabels, SoftLabelStore
from ..distillation.soft_labels import take_rows
from ..errors import UserError, did_you_mean, raise_all
from ..processes import numbers_of_first
from ..task import Task
from ..task.kind import WideKind
from ..training.evaluation import eval_mode
from ..training.objective import wide_losses
from ..training.snapshots import Snapshots
from ..uncertainty import Estimate

#: Options that say something about our own loop.
OF_FIT = ("tail", "soft_labels")
OPTIONS = tuple(field.name for field in fields(ConvergenceOptions) if field.name not in OF_FIT)


class KeptPeaks:
    """Computes the tasks' losses; a task that has converged learns from its own best parameters from then on.

    Call :meth:`losses` in every step and :meth:`update` after every evaluation. The model is any module. The decisions
    are those of :class:`~polytask.distillation.Convergence`, as in :func:`polytask.fit`.

    Args:
        tasks: The tasks. Regression targets are trained as ``(y - center) / scale``, so outputs are in these units;
            losses are multiplied by the tasks' weights, unless there is a ``balancer``, which is given these.
        infer: ``infer(model, task name)``: raw outputs ``[n]`` or ``[n, C]`` for all n training rows in the order of
            their ids, in evaluation mode. It is called when a task converges, with a model that holds its best
            parameters.
        balancer: The method that balances these losses, if there is one: it is told the tasks' names and weights, and
            which of them are held by soft labels.
        trivial: Metric of a constant prediction by task; a task that is not better has not begun and cannot converge.
            Known without being given where it depends on no rows (ROC-AUC 0.5, R2 0, Matthews 0, ...).
        folder: Parameters of the best evaluations are kept there instead of in memory.
        options: Options of :class:`~polytask.distillation.ConvergenceOptions` but ``tail`` and ``soft_labels``.

    Attributes:
        soft: ``{task: its soft labels}`` of the tasks that have converged.
        monitors: ``{task: the test of its convergence}``.

    Raises:
        UserError: All unusable options at once.

    Source:
        Lu et al., NAACL 2022 Industry Track.

    Example:
        >>> model, x, y = nn.Linear(2, 1), torch.randn(50, 2), torch.ones(50)
        >>> options = {"patience": 1, "min_evaluations": 0, "teachers": 1}
        >>> peaks = KeptPeaks([Task("a", "regression")], lambda model, task: model(x)[:, 0], **options)
        >>> for step, r2 in enumerate([0.1, 0.9, 0.8]):
        ...     loss = peaks.losses({"a": model(x)[:, 0]}, {"a": y}, torch.arange(50))["a"]
        ...     converged = peaks.update(step, {"a": r2}, model)
        >>> converged, bool(loss > 0)
        (['a'], True)
        >>> peaks.losses({"a": model(x)[:, 0]}, {"a": y}, torch.arange(50))["a"].item() < 1e-9  # its own outputs
        True
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        infer: Callable[[nn.Module, str], Tensor],
        *,
        balancer: Balancer | None = None,
        trivial: Mapping[str, float | Estimate] | None = None,
        folder: Path | str | None = None,
        **options: Any,
    ) -> None:
        raise_all([f"{name}: is no option here; {did_you_mean(name, OPTIONS)}"
                   for name in options if name not in OPTIONS])  # fmt: skip
        self.options = ConvergenceOptions(**options)
        self.options.check_tasks(tasks)
        self.tasks, self.infer, self.balancer = {task.name: task for task in tasks}, infer, balancer
        if balancer is not None:
            balancer.bind(list(self.tasks), {task.name: task.weight for task in tasks})
        levels = {task.name: _trivial(task) for task in tasks} | dict(trivial or {})
        self.state = Convergence(
            self.options, {name: self.options.monitor(task, levels[name]) for name, task in self.tasks.items()}
        )
        self.soft: dict[str, SoftLabels] = {}
        self._stored: dict[str, Tensor] = {}
        self._snapshots = Snapshots(None if folder is None else Path(folder))
        self._last_step = -1
        self._shown: set[str] = set()
        self._evaluations = 0
        self._calls, self._with_ids = 0, 0

    @property
    def monitors(self) -> dict[str, ConvergenceMonitor]:
        """What watches each task."""
        return self.state.monitors

    def losses(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], ids: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Mean loss of every task over the rows that have a label for it.

        Args:
            outputs: ``{task: [B], [B, 1] or [B, C]}`` raw outputs; for tasks with several targets per row ``[B, L]``,
                ``[B, L, C]``.
            targets: ``{task: [B] or [B, L]}`` class indices or numbers, among whatever else a batch has; NaN and, for
                classes, -100 mean "no label". A task may be absent; so is one without any label in the result.
            ids: ``[B]`` int64, positions of the rows among the training rows; needed once a task has converged.

        Raises:
            UserError: If a task has no output, shapes do not fit, or ids are missing.
        """
        self._calls, self._with_ids = self._calls + 1, self._with_ids + (ids is not None)
        found = {}
        for name in (task for task in self.tasks if task in targets):
            if name not in outputs:
                raise UserError(f"losses: there is no output for task {name!r}; {did_you_mean(name, outputs)}")
            loss = self._loss(self.tasks[name], outputs[name], targets[name], ids)
            if loss is not None:
                found[name] = loss
        return found

    def _loss(self, task: Task, output: Tensor, target: Tensor, ids: Tensor | None) -> Tensor | None:
        labels = self.soft.get(task.name)
        if labels is not None and ids is None:
            raise UserError(f"losses: {task.name!r} has converged and learns from soft labels; give the rows' ids")
        target = task.standardised(target)
        output = _fitting(task, output.float(), target)
        teacher = None if labels is None else take_rows(self._stored[task.name], cast(Tensor, ids)).to(output)
        loss = (_of_wide if task.definition.wide else _of_rows)(task, output, target, labels, teacher)
        return loss if loss is None or self.balancer is not None else loss * task.weight

    def update(self, step: int, metrics: Mapping[str, float | Estimate], model: nn.Module) -> list[str]:
        """Take note of an evaluation.

        Args:
            step: Optimiser steps so far; one that does not grow is counted on by one.
            metrics: Validation metric by task, as numbers or as estimates with their standard errors
                (:func:`polytask.task_estimate`); tasks that have converged, and others, may be left out.
            model: As it was evaluated.

        Returns:
            Tasks that have converged by this evaluation; their labels are replaced.

        Raises:
            UserError: If the losses were computed without ids so far: that would be noticed too late.
        """
        if self._calls and not self._with_ids:
            raise UserError(
                "losses: they were computed without ids, and a task that converges needs these; pass the positions of "
                "the batch's rows among the training rows, losses(outputs, targets, ids)"
            )
        step = self._last_step = max(step, self._last_step + 1)
        self._watch_names(metrics)
        measured = {name: value if isinstance(value, Estimate) else float(value) for name, value in metrics.items()
                    if name in self.tasks}  # fmt: skip
        converged = self.state.observe(step, measured)
        reopened = self.state.overtaken(measured)
        for name in reopened:
            self._release(name, step, measured[name])
        if step in self.state.needed_steps():
            self._snapshots.save(step, model)
        for name in converged:
            self._hold(name, step, self._predictions(name, model))
        self._snapshots.keep_only(self.state.needed_steps())
        return converged

    def _watch_names(self, metrics: Mapping[str, Any]) -> None:
        """A task whose metric never comes would be waited for in silence."""
        self._evaluations += 1
        self._shown |= metrics.keys() & self.tasks.keys()
        missing = [name for name in self.tasks if name not in self._shown]
        if self._evaluations == 2 and missing:
            warnings.warn(
                f"update: no metric so far for {', '.join(missing)}, found {', '.join(metrics) or 'none'}: a task "
                "converges by its metric only",
                stacklevel=3,
            )

    def _hold(self, name: str, step: int, outputs: Tensor) -> None:
        self._use(name, outputs)
        self.state.hold(name, step)
        if self.balancer is not None:
            self.balancer.task_switched(list(self.tasks).index(name))

    def _release(self, name: str, step: int, value: float | Estimate) -> None:
        del self.soft[name], self._stored[name]
        self.state.release(name, step, value)
        if self.balancer is not None:
            self.balancer.task_reopened(list(self.tasks).index(name))

    def _use(self, name: str, outputs: Tensor) -> None:
        self._stored[name] = outputs
        self.soft[name] = self.options.labels(outputs)

    def _predictions(self, name: str, model: nn.Module) -> Tensor:
        """The mean predictions of the task's best parameters; the model's own come back afterwards."""
        own, outputs = copy.deepcopy(model.state_dict()), []
        with eval_mode(model):
            for step in self.monitors[name].top_steps:
                model.load_state_dict(self._snapshots.load(step))
                output = self.infer(model, name).float()
                outputs.append(output[..., 0] if _is_column(self.tasks[name], output) else output)
            model.load_state_dict(own)
        shape = (len(outputs[0]), 1, *outputs[0].shape[1:])
        kind = self.tasks[name].definition
        store = SoftLabelStore(kind, shape, half=self.options.half, device=outputs[0].device)
        store.fill(0, outputs)
        return store.values[:, 0]

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes: plain values and tensors."""
        return {
            "convergence": self.state.state_dict(),
            "soft": dict(self._stored),
            "snapshots": {step: self._snapshots.load(step) for step in self.state.needed_steps()},
            "last_step": self._last_step,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.state.load_state_dict(state["convergence"])
        self._last_step = state["last_step"]
        self.soft, self._stored = {}, {}
        for name, outputs in state["soft"].items():
            self._use(name, outputs)
        for step, parameters in state["snapshots"].items():
            self._snapshots.put(int(step), parameters)


def metrics_of(peaks: KeptPeaks, logged: Mapping[str, Any], pattern: str) -> dict[str, float]:
    """The tasks' metrics among those that a framework has logged, of the first of several processes.

    Args:
        peaks: Whose tasks.
        logged: Metrics by the framework's names.
        pattern: How a task's is called, such as ``val_{task}``.

    Raises:
        UserError: If a task that still learns has none; it would be waited for in silence.
    """
    names = {task: pattern.format(task=task) for task in peaks.tasks}
    if missing := missing_metrics(peaks, logged, pattern):
        raise UserError(
            f"metrics: {', '.join(missing)} not logged in this evaluation, found {', '.join(logged) or 'none'}; log "
            "one for every task that still learns, or say what they are called by ConvergenceCallback(metric=...)"
        )
    known = {task: float(logged[name]) for task, name in names.items() if name in logged}
    return dict(zip(known, numbers_of_first(list(known.values())), strict=True))


def missing_metrics(peaks: KeptPeaks, logged: Mapping[str, Any], pattern: str) -> list[str]:
    """Names of the metrics of tasks that still learn which are not among ``logged``."""
    names = {task: pattern.format(task=task) for task in peaks.tasks}
    return [name for task, name in names.items() if name not in logged and task not in peaks.soft]


def _is_column(task: Task, output: Tensor) -> bool:
    """The head of one output gives ``[B, 1]`` where ``[B]`` is meant."""
    kind = task.definition
    return not kind.wide and not kind.vector_output and output.ndim == 2 and output.shape[1] == 1


def _fitting(task: Task, output: Tensor, target: Tensor) -> Tensor:
    """The output in the form that the kind's loss takes.

    Raises:
        UserError: If it has another shape; broadcasting would compare rows with other rows' targets.
    """
    if _is_column(task, output):
        output = output[:, 0]
    expected: Iterable[Any] = (*target.shape, len(task.classes)) if task.definition.vector_output else target.shape
    if tuple(output.shape) != tuple(expected):
        raise UserError(
            f"losses: {task.name!r} is a {task.kind} task with targets {list(target.shape)}; expected outputs of shape "
            f"{list(expected)}, found {list(output.shape)}"
        )
    return output


def _of_rows(
    task: Task, output: Tensor, target: Tensor, labels: SoftLabels | None, teacher: Tensor | None
) -> Tensor | None:
    """Mean loss over the rows with a label (or a teacher), None without any."""
    known = ~torch.isnan(target)
    used = torch.ones_like(known) if labels is not None and labels.unlabelled else known
    if not bool(used.any()):
        return None
    true = task.definition.loss(output[used][:, None], torch.nan_to_num(target[used])[:, None])[:, 0]
    if labels is None or teacher is None:
        return true.mean()
    return labels.mixed(task.definition, output[used], teacher[used], true, known[used]).mean()


def _of_wide(
    task: Task, output: Tensor, target: Tensor, labels: SoftLabels | None, teacher: Tensor | None
) -> Tensor | None:
    """The same for tasks with several targets per row."""
    kind = cast(WideKind, task.definition)
    known = ~torch.isnan(target).flatten(1).all(1)
    if labels is not None and labels.unlabelled:  # a row without any target learns from the teacher everywhere
        target = torch.where(known[:, None], target, 0.0)
    losses, counts = wide_losses(kind, output, target, known, labels, teacher)
    total = counts.sum()
    return losses.sum() / total if bool(total > 0) else None


def _trivial(task: Task) -> float:
    """Metric of a constant prediction where it depends on no rows; minus infinity where it does."""
    return float(getattr(task.metric_definition.trivial, "level", -torch.inf))
