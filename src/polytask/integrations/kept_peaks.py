"""Asynchronous convergence for a training that somebody else runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from ..distillation import ConvergenceMonitor, SoftLabels, SoftLabelStore
from ..distillation.soft_labels import check_mixture, take_rows
from ..errors import UserError, did_you_mean, raise_all
from ..task import Task
from ..training.snapshots import Snapshots

#: The ignore index of class targets.
IGNORE = -100


class KeptPeaks:
    """Computes the tasks' losses; a task that has converged learns from its own best parameters from then on.

    Call :meth:`losses` in every step and :meth:`update` after every evaluation. The model is any module.

    Args:
        tasks: The tasks; each metric's direction is that of the task's metric.
        infer: ``infer(model, task name)``: raw outputs ``[n]`` or ``[n, C]`` for all n training rows in the order of
            their ids, in evaluation mode. It is called when a task converges, with a model that holds its best
            parameters.
        teachers: Of so many best evaluations the mean prediction becomes the label.
        temperature: Softens the predictions of class kinds.
        mixture: Share of the distillation loss beside that on true labels; 1 is soft labels only.
        trivial: Metric of a constant prediction by task; a task there has not begun and cannot converge.
        monitor: Options of :class:`~polytask.ConvergenceMonitor`.

    Attributes:
        soft: ``{task: its soft labels}`` of the tasks that have converged.
        monitors: ``{task: the test of its convergence}``.

    Source:
        Lu et al., NAACL 2022 Industry Track.

    Example:
        >>> model, x, y = nn.Linear(2, 1), torch.randn(50, 2), torch.ones(50)
        >>> options = {"patience": 1, "min_evaluations": 0, "teachers": 1}
        >>> peaks = KeptPeaks([Task("a", "regression")], lambda model, task: model(x)[:, 0], **options)
        >>> for step, r2 in enumerate([0.1, 0.4, 0.3]):
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
        teachers: int = 3,
        temperature: float = 1.0,
        mixture: float = 1.0,
        trivial: Mapping[str, float] | None = None,
        **monitor: Any,
    ) -> None:
        raise_all(check_mixture(temperature, 1.0, mixture))
        self.tasks, self.infer = {task.name: task for task in tasks}, infer
        self.temperature, self.mixture = temperature, mixture
        self.monitors = {
            task.name: ConvergenceMonitor(
                higher_is_better=task.metric_definition.higher_is_better,
                keep=teachers,
                trivial=(trivial or {}).get(task.name, float("-inf")),
                **monitor,
            )
            for task in tasks
        }
        self.soft: dict[str, SoftLabels] = {}
        self._stored: dict[str, Tensor] = {}
        self._snapshots = Snapshots()

    def losses(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], ids: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Mean loss of every task over the rows that have a label for it.

        Args:
            outputs: ``{task: [B] or [B, C]}`` raw outputs.
            targets: ``{task: [B]}`` class indices or numbers, among whatever else a batch has; NaN and, for classes,
                -100 mean "no label". A task may be absent; so is one without any label in the result.
            ids: ``[B]`` int64, positions of the rows among the training rows; needed once a task has converged.

        Raises:
            UserError: If a task has no output, or ids are missing.
        """
        found = {}
        for name in (task for task in self.tasks if task in targets):
            if name not in outputs:
                raise UserError(f"losses: there is no output for task {name!r}; {did_you_mean(name, outputs)}")
            target = targets[name]
            kind, known = self.tasks[name].definition, ~torch.isnan(target.float())
            if self.tasks[name].kind != "regression":
                known &= target != IGNORE
            if not bool(known.any()):
                continue
            output, target = outputs[name][known].float(), target[known].float()
            elements = kind.loss(output[:, None], target[:, None])[:, 0]
            if (labels := self.soft.get(name)) is not None:
                if ids is None:
                    raise UserError(f"losses: {name!r} has converged and learns from soft labels; give the rows' ids")
                teacher = take_rows(self._stored[name], ids[known]).to(output)
                elements = labels.mixed(kind, output, teacher, elements, None)
            found[name] = elements.mean()
        return found

    def update(self, step: int, metrics: Mapping[str, float], model: nn.Module) -> list[str]:
        """Take note of an evaluation.

        Args:
            step: Optimiser steps so far.
            metrics: Validation metric by task; tasks that have converged, and others, may be left out.
            model: As it was evaluated.

        Returns:
            Tasks that have converged by this evaluation; their labels are replaced.
        """
        learning = [name for name in self.tasks if name not in self.soft and name in metrics]
        converged = [name for name in learning if self.monitors[name].update(step, float(metrics[name]))]
        if any(step in self.monitors[name].top_steps for name in learning):
            self._snapshots.save(step, model)
        for name in converged:
            self._use(name, self._predictions(name, model))
        self._snapshots.keep_only({at for name in self.tasks if name not in self.soft
                                   for at in self.monitors[name].top_steps})  # fmt: skip
        return converged

    def _use(self, name: str, outputs: Tensor) -> None:
        self._stored[name] = outputs
        self.soft[name] = SoftLabels(outputs, temperature=self.temperature, mixture=self.mixture)

    def _predictions(self, name: str, model: nn.Module) -> Tensor:
        """The mean predictions of the task's best parameters; the model's own come back afterwards."""
        own = {key: value.detach().clone() for key, value in model.state_dict().items()}
        training, outputs = model.training, []
        model.eval()
        with torch.no_grad():
            for step in self.monitors[name].top_steps:
                model.load_state_dict(self._snapshots.load(step))
                outputs.append(self.infer(model, name).float())
        model.load_state_dict(own)
        model.train(training)
        store = SoftLabelStore(self.tasks[name].definition, (len(outputs[0]), 1, *outputs[0].shape[1:]),
                               device=outputs[0].device)  # fmt: skip
        store.fill(0, outputs)
        return store.values[:, 0]

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes: plain values and tensors."""
        needed = {step for name in self.tasks if name not in self.soft for step in self.monitors[name].top_steps}
        return {
            "monitors": {name: asdict(monitor) for name, monitor in self.monitors.items()},
            "soft": dict(self._stored),
            "snapshots": {step: self._snapshots.load(step) for step in needed},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.monitors = {name: ConvergenceMonitor(**fields) for name, fields in state["monitors"].items()}
        for monitor in self.monitors.values():
            monitor.top = [(float(value), int(step)) for value, step in monitor.top]
        self.soft, self._stored = {}, {}
        for name, outputs in state["soft"].items():
            self._use(name, outputs)
        self._snapshots = Snapshots()
        for step, parameters in state["snapshots"].items():
            self._snapshots.put(int(step), parameters)
