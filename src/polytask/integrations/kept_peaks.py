"""Asynchronous convergence in a custom training loop."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..balancing import Balancer
from ..config.convergence import ConvergenceOptions
from ..distillation import (
    Convergence,
    ConvergenceMonitor,
    SoftLabels,
    SoftLabelStore,
    check_tasks,
    labels_of,
    monitor_of,
)
from ..distillation.soft_labels import take_rows
from ..errors import UserError, did_you_mean, raise_all
from ..task import Task
from ..task.kind import WideKind
from ..training.evaluation import eval_mode
from ..training.objective import wide_losses
from ..training.snapshots import Snapshots
from ..uncertainty import Estimate, as_estimate
from .batches import check_positions, fitting, inferred, outputs_by_task, positions, standardised

#: Options of :func:`polytask.fit` only.
OF_FIT = ("tail", "soft_labels")
OPTIONS = tuple(field.name for field in fields(ConvergenceOptions) if field.name not in OF_FIT)


class KeptPeaks:
    """Computes the tasks' losses; a task that has converged then learns from the predictions of its best parameters.

    Call :meth:`losses` in every step and :meth:`update` after every evaluation. The model is any module. The decisions
    are those of :class:`~polytask.distillation.Convergence`, as in :func:`polytask.fit`.

    Args:
        tasks: The tasks. Regression targets are trained as ``(y - center) / scale``, so outputs are in these units;
            losses are multiplied by the tasks' weights, unless there is a ``balancer``, which is given these.
        infer: ``infer(model, task name)``: raw outputs ``[n]`` or ``[n, C]`` for all n training rows in the order of
            their ids, in evaluation mode. It is called when a task converges, with a model that holds its best
            parameters.
        balancer: The method that balances these losses, if there is one: it is told the tasks' names and weights, and
            which of them are held by soft labels. Its state is kept if it is bound to these tasks, as after
            ``load_state_dict``.
        trivial: Metric of a constant prediction by task; a task that is not better has not begun and cannot converge.
            Known without being given where it depends on no rows (ROC-AUC 0.5, R2 0, Matthews 0, ...).
        folder: Parameters of the best evaluations are kept there instead of in memory.
        options: Options of :class:`~polytask.config.ConvergenceOptions` but ``tail`` and ``soft_labels``.

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
        raise_all([f"task {task.name!r}: class_weights are not applied by KeptPeaks, where all rows have equal "
                   "weight; leave them out, or train with polytask.fit"
                   for task in tasks if task.class_weights])  # fmt: skip
        self.options = ConvergenceOptions(**options)
        check_tasks(self.options, tasks)
        self.tasks, self.infer, self.balancer = {task.name: task for task in tasks}, infer, balancer
        if balancer is not None:
            if balancer.tasks != list(self.tasks):
                balancer.bind(list(self.tasks))
            balancer.set_user_weights({task.name: task.weight for task in tasks})
        levels = {task.name: _trivial(task) for task in tasks} | dict(trivial or {})
        self.state = Convergence(
            self.options, {name: monitor_of(self.options, task, levels[name]) for name, task in self.tasks.items()}
        )
        self.soft: dict[str, SoftLabels] = {}
        self._stored: dict[str, Tensor] = {}
        self._snapshots = Snapshots(None if folder is None else Path(folder))
        self._last_step = -1
        self._shown: set[str] = set()
        self._largest_id = torch.tensor(-1)
        self._inferred = False
        #: Tasks of classes whose outputs have all been from 0 to 1 so far.
        self._maybe_probabilities = {task.name for task in tasks if not task.definition.numeric}
        self._evaluations = 0
        self._calls, self._with_ids = 0, 0

    @property
    def monitors(self) -> dict[str, ConvergenceMonitor]:
        """The convergence test of each task."""
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
        outputs, found = outputs_by_task(outputs), {}
        rows = None if ids is None else self._rows(ids)
        for name in (task for task in self.tasks if task in targets):
            if name not in outputs:
                raise UserError(f"losses: there is no output for task {name!r}; {did_you_mean(name, outputs)}")
            loss = self._loss(self.tasks[name], outputs[name], targets[name], rows)
            if loss is not None:
                found[name] = loss
        return found

    def _rows(self, ids: Any) -> Tensor:
        """``[B]`` checked ids."""
        rows = positions(ids)
        if rows.numel():
            self._largest_id = torch.maximum(self._largest_id.to(rows.device), rows.max())
        for stored in list(self._stored.values())[:1]:
            check_positions(rows, len(stored))
        return rows

    def _loss(self, task: Task, output: Tensor, target: Tensor, ids: Tensor | None) -> Tensor | None:
        labels = self.soft.get(task.name)
        if labels is not None and ids is None:
            raise UserError(f"losses: {task.name!r} has converged and learns from soft labels; give the rows' ids")
        target = standardised(task, target, output.device)
        output = fitting(task, output, target)
        self._note_probabilities(task, output)
        if ids is not None and len(ids) != len(target):
            raise UserError(f"losses: {len(ids)} ids for {len(target)} rows of {task.name!r}; give one per row")
        teacher = None if labels is None else take_rows(self._stored[task.name], cast(Tensor, ids)).to(output)
        loss = (_of_wide if task.definition.wide else _of_rows)(task, output, target, labels, teacher)
        return loss if loss is None or self.balancer is not None else loss * task.weight

    def update(self, step: int, metrics: Mapping[str, float | Estimate], model: nn.Module) -> list[str]:
        """Decide by the metrics of an evaluation which tasks have converged, and which are released.

        Args:
            step: Optimiser steps so far; a number that is not above the last one counts as the last one plus 1.
            metrics: Validation metric by task, as numbers or as estimates with their standard errors
                (:func:`polytask.task_estimate`); tasks that have converged, and others, may be left out.
            model: The model, with the parameters that were evaluated.

        Returns:
            The tasks that converge at this evaluation: soft labels replace their labels from now on.

        Raises:
            UserError: If the losses were computed without ids so far, which a converged task would need.
        """
        if self._calls and not self._with_ids:
            raise UserError(
                "losses: they were computed without ids, and a task that converges needs these; pass the positions of "
                "the batch's rows among the training rows, losses(outputs, targets, ids)"
            )
        measured = {name: _number(name, value) for name, value in metrics.items() if name in self.tasks}
        self._check_inference(model)
        self._watch_probabilities()
        self._watch_names(measured, metrics)
        step = self._last_step = max(step, self._last_step + 1)
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

    def _check_inference(self, model: nn.Module) -> None:
        """Infer once for every kind of task: what is wrong would be noticed hours later, when a task converges."""
        if self._inferred:
            return
        with eval_mode(model):
            for task in {task.kind: task for task in self.tasks.values()}.values():
                inferred(task, self.infer(model, task.name), int(self._largest_id))
        self._inferred = True

    def _watch_names(self, measured: Mapping[str, float | Estimate], metrics: Mapping[str, Any]) -> None:
        """A task whose metric never comes, or is never a number, would be waited for in silence."""
        self._evaluations += 1
        self._shown |= {name for name, value in measured.items() if not math.isnan(as_estimate(value).value)}
        missing = [name for name in self.tasks if name not in self._shown]
        if self._evaluations == 2 and missing:
            warnings.warn(
                f"update: no metric so far for {', '.join(missing)}, found {', '.join(metrics) or 'none'}: a task "
                "converges by its metric only",
                stacklevel=3,
            )

    def _watch_probabilities(self) -> None:
        if self._calls and self._evaluations == 0 and self._maybe_probabilities:
            warnings.warn(
                f"losses: all outputs of {', '.join(sorted(self._maybe_probabilities))} were from 0 to 1; give raw "
                "outputs (logits), before a sigmoid or softmax",
                stacklevel=3,
            )

    def _note_probabilities(self, task: Task, output: Tensor) -> None:
        if task.name in self._maybe_probabilities and not self._evaluations and output.numel():
            low, high = torch.aminmax(output.detach())
            if low < 0 or high > 1:
                self._maybe_probabilities.discard(task.name)

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
        self.soft[name] = labels_of(self.options, outputs)

    def _predictions(self, name: str, model: nn.Module) -> Tensor:
        """The mean predictions of the task's best parameters; the model's own come back afterwards."""
        own, outputs = copy.deepcopy(model.state_dict()), []
        with eval_mode(model):
            try:
                for step in self.monitors[name].top_steps:
                    model.load_state_dict(self._snapshots.load(step))
                    outputs.append(inferred(self.tasks[name], self.infer(model, name), int(self._largest_id)))
            finally:
                model.load_state_dict(own)
        shape = (len(outputs[0]), 1, *outputs[0].shape[1:])
        kind = self.tasks[name].definition
        store = SoftLabelStore(kind, shape, half=self.options.half, device=outputs[0].device)
        store.fill(0, outputs)
        return store.values[:, 0]

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs, in plain values and tensors (``torch.load(weights_only=True)`` reads them)."""
        return {
            "convergence": self.state.state_dict(),
            "soft": dict(self._stored),
            "snapshots": {step: self._snapshots.load(step) for step in self.state.needed_steps()},
            "last_step": self._last_step,
            "inferred": self._inferred,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned; the training then decides as an uninterrupted one.

        Raises:
            UserError: If the state is that of other tasks.
        """
        saved = state["convergence"]["monitors"].keys()
        if saved != self.tasks.keys():
            raise UserError(
                f"peaks: the state is that of tasks {', '.join(saved)}, these are {', '.join(self.tasks)}; resume with "
                "the same tasks"
            )
        self._inferred = state.get("inferred", False)
        self.state.load_state_dict(state["convergence"])
        self._last_step = state["last_step"]
        self.soft, self._stored = {}, {}
        for name, outputs in state["soft"].items():
            self._use(name, outputs)
        for step, parameters in state["snapshots"].items():
            self._snapshots.put(int(step), parameters)


def _number(name: str, value: Any) -> float | Estimate:
    try:
        found = value if isinstance(value, Estimate) else float(value)
    except (TypeError, ValueError, RuntimeError):
        raise UserError(f"update: metric of {name!r}: expected a number or an Estimate, found {value!r:.60}") from None
    if math.isinf(as_estimate(found).value):
        raise UserError(
            f"update: metric of {name!r}: expected a finite number, or NaN if it is undefined, found {value}"
        )
    return found


def _of_rows(
    task: Task, output: Tensor, target: Tensor, labels: SoftLabels | None, teacher: Tensor | None
) -> Tensor | None:
    """Mean loss over the rows with a label (or a teacher), None without any."""
    known = ~torch.isnan(target)
    used = torch.ones_like(known) if labels is not None and labels.unlabelled else known
    if not bool(used.any()):
        return None
    if labels is not None and teacher is not None:
        return labels.loss(task.definition, output[used], teacher[used]).mean()
    return task.definition.loss(output[used][:, None], target[used][:, None]).mean()


def _of_wide(
    task: Task, output: Tensor, target: Tensor, labels: SoftLabels | None, teacher: Tensor | None
) -> Tensor | None:
    """The same for tasks with several targets per row."""
    kind = cast(WideKind, task.definition)
    if labels is not None and labels.unlabelled:  # a row without any target learns from the teacher everywhere
        target = torch.where(torch.isnan(target).flatten(1).all(1)[:, None], 0.0, target)
    losses, counts = wide_losses(kind, output, target, labels, teacher)
    total = counts.sum()
    return losses.sum() / total if bool(total > 0) else None


def _trivial(task: Task) -> float:
    """Metric of a constant prediction where it depends on no rows; minus infinity where it does."""
    return float(getattr(task.metric_definition.trivial, "level", -torch.inf))
