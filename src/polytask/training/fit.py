"""Train one network: the function that users call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..balancing import Balancer, Equal
from ..balancing.randomness import kept_randomness
from ..config.training import TrainingSettings
from ..data import Data, Rows, as_rows, warn_of_large_numbers
from ..data.class_weights import weighted_by_class
from ..data.finite import finite_problems
from ..display.display import Progress
from ..display.html import cell, table
from ..distillation.monitor import ConvergenceMonitor
from ..errors import UserError, raise_all
from ..models import MultiTaskModel
from ..processes.collectives import is_first, wait_for_all
from ..task import Task
from .callback import Callback
from .callbacks import EarlyStopping
from .common_checkpoint import MAIN, kept_share
from .evaluation import Evaluation
from .events import EventLog
from .loop import Training
from .parameters import check_parameters, make_lazy_parameters
from .precision import chosen_device
from .trees import load_tree, save_tree


@dataclass(frozen=True)
class TaskResult:
    """How training went for one task, on validation.

    Attributes:
        validation: Metric of the returned parameters.
        peak: Best value while the task learned from its own labels.
        best_epoch: Epoch of the peak.
        converged_epoch: Epoch at which soft labels replaced its labels; None if never.
        kept: Share of the peak that the returned parameters keep, see :func:`~polytask.training.kept_share`.
        learned: Whether the peak is above the trivial level by more than chance; see
            :class:`~polytask.ConvergenceMonitor`.
    """

    validation: float
    peak: float
    best_epoch: float
    converged_epoch: float | None
    kept: float
    learned: bool = True


def _figures(found: TaskResult) -> list[str]:
    """Validation metric, peak, its epoch, and the epoch of convergence."""
    converged = "never" if found.converged_epoch is None else f"{found.converged_epoch:g}"
    return [f"{found.validation:.4g}", f"{found.peak:.4g}", f"{found.best_epoch:g}", converged]


@dataclass(frozen=True)
class TrainingResult:
    """What :func:`fit` gives.

    Attributes:
        model: The model with the returned parameters, in evaluation mode.
        tasks: :class:`TaskResult` by task name.
        epoch: Epoch of the returned parameters.
        steps: Steps trained.
        seconds: Time trained, evaluations included.
        history: All evaluations.
        callbacks: States of the callbacks at the end, by their names.
    """

    model: MultiTaskModel
    tasks: dict[str, TaskResult]
    epoch: float
    steps: int
    seconds: float
    history: list[Evaluation] = field(repr=False)
    callbacks: dict[str, Any] = field(repr=False)

    def _repr_html_(self) -> str:
        """Validation metric, best and converged epoch of every task."""
        named = {task.name: task for task in self.model.tasks}
        rows = [(name, [cell(named[name].metric), *map(cell, _figures(found))]) for name, found in self.tasks.items()]
        said = f"{self.steps:,} steps in {self.seconds:.1f} s; parameters of epoch {self.epoch:g}"
        return table(["task", "metric", "validation", "best", "best epoch", "converged at epoch"], rows, said)


def fit(
    model: MultiTaskModel,
    tasks: Sequence[Task] | None = None,
    *,
    train: Data,
    validation: Data,
    balancer: Balancer | None = None,
    callbacks: Sequence[Callback] = (),
    settings: TrainingSettings | None = None,
    seed: int = 0,
    folder: Path | None = None,
    log: EventLog | None = None,
    name: str = "training",
    progress: Progress | None = None,
) -> TrainingResult:
    """Train ``model`` and give it the parameters of the evaluation that is best for all its tasks.

    Args:
        model: The network; it is trained in place.
        tasks: Optional; must be the tasks of the model.
        train: The rows to learn from, in any form that :func:`~polytask.data.as_rows` takes: ``(inputs, {task:
            labels})`` of tensors, arrays or DataFrames, a mapping or DataFrame of columns, a Dataset, a DataLoader,
            ``{task: data set}`` or :class:`~polytask.Rows`. They are read once; the batch size is in ``settings``.
            Regression labels are trained as ``(y - center) / scale`` of their tasks, see :func:`~polytask.standardise`.
        validation: The rows on which all choices are made, in any such form. A task without a label there is trained,
            its metric is NaN and the other tasks decide; if no task has one, the last step's parameters are returned.
        balancer: How the losses are balanced; equal weights by default.
        callbacks: E.g. :class:`~polytask.AsynchronousConvergence`. Unless one of them decides the end,
            training stops early when every task has stalled for ``settings.patience`` evaluations.
        settings: :class:`~polytask.config.TrainingSettings`.
        seed: Order of the rows and all randomness. Make the model under its own seed; PyTorch's global random state is
            yours again afterwards.
        folder: Checkpoints go there; the same call with the same folder continues an interrupted training bit for bit,
            and returns the result of a finished one at once.
        log: Where events go.
        name: Name of this training in the events.
        progress: Called with the done and the total number of steps.

    Raises:
        UserError: If data and tasks do not fit, or inputs or labels are not finite (NaN labels are "no label").
        DivergedError: If losses, parameters or metrics are not finite, also after the training has gone back to its
            last evaluation (or start) once and has continued with half the learning rate.

    Example:
        >>> import torch, polytask as pt
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(200, 4)
        >>> tasks = [pt.Task("positive"), pt.Task("sum", kind="regression")]
        >>> labels = {"positive": (x[:, 0] > 0).float(), "sum": x.sum(1)}
        >>> model = pt.MultiTaskModel(torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU()), tasks)
        >>> result = pt.fit(model, tasks, train=(x, labels), validation=(x, labels),
        ...                 settings=pt.TrainingSettings(steps=300, learning_rate=1e-2))
        >>> result.tasks["positive"].validation > 0.95
        True
    """
    if tasks is not None and tuple(tasks) != model.tasks:
        raise UserError(
            f"tasks: the model was made for {[task.name for task in model.tasks]}, "
            f"fit was given {[task.name for task in tasks]}; give the same tasks, or leave them out here"
        )
    settings = settings or TrainingSettings()
    taught = frozenset().union(*(callback.gives_labels for callback in callbacks))
    rows = [labelled_rows(data, model.tasks, what, taught)
            for data, what in ((train, "train"), (validation, "validation"))]  # fmt: skip
    if not isinstance(train, Rows) and is_first():
        warn_of_large_numbers(model.tasks, rows[0], stacklevel=2)
    rows[0] = weighted_by_class(rows[0], model.tasks)
    check_parameters(model)
    make_lazy_parameters(model, rows[0])
    if not any(type(one).finished is not Callback.finished and not one.only_limits for one in callbacks):
        main = [settings.select_by.removeprefix(MAIN)] if settings.select_by.startswith(MAIN) else None
        callbacks = [*callbacks, EarlyStopping(settings.patience, main)]
    stored = folder / "result.safetensors" if folder else None
    if stored is not None and stored.exists():
        return _restore(model, load_tree(stored))
    with kept_randomness(chosen_device(settings.device)):
        training = Training(
            model,
            rows[0],
            rows[1],
            balancer=balancer or Equal(),
            callbacks=callbacks,
            settings=settings,
            seed=seed,
            folder=folder,
            log=log,
            name=name,
        )
        training.run(progress)
        model.eval()
        result = _result(training)
    if stored is not None:
        if is_first():
            save_tree(stored, _store(result))
            training.checkpoints.discard()
        wait_for_all()
    return result


def labelled_rows(data: Data, tasks: Sequence[Task], what: str, taught: frozenset[str] = frozenset()) -> Rows:
    """The rows of ``data``, with a label for every task that is not taught otherwise.

    Raises:
        UserError: If data and tasks do not fit.
    """
    rows = as_rows(data, tasks, what)
    if rows.targets.shape[1] != len(tasks):
        raise UserError(
            f"{what}: expected one column of targets per task ({len(tasks)}), found {rows.targets.shape[1]}"
        )
    raise_all(finite_problems(rows, what))
    if what == "validation":  # a task may lack labels there: it is trained, and its metric is NaN
        return rows
    if len(rows) == 0:
        raise UserError(f"{what}: no rows")
    counts = zip(tasks, rows.label_counts().tolist(), strict=True)
    empty = [task.name for task, count in counts if not count and task.name not in taught]
    if empty:
        raise UserError(f"{what}: no labels for {', '.join(empty)}; give some, or leave the task out")
    if rows.weights is not None:
        some = rows.weights > 0 if rows.observed is None else (rows.weights > 0) & rows.observed
        idle = [
            task.name for task, any_ in zip(tasks, some.any(0).expand(len(tasks)).tolist(), strict=True) if not any_
        ]
        if idle:
            raise UserError(f"{what}: all labels of {', '.join(idle)} have the weight 0; give some more, or leave the "
                            "task out")  # fmt: skip
    return rows


def _result(training: Training) -> TrainingResult:
    converged: dict[str, int] = {}
    monitors: dict[str, ConvergenceMonitor] = {}
    for callback in training.callbacks:
        own = getattr(callback, "converged_at", {})
        converged |= own
        monitors |= {name: one for name, one in getattr(callback, "monitors", {}).items() if name in own}
    returned = training.returned
    results = {}
    for task in training.tasks:
        peak, step = returned.peaks.get(task.name, (float("nan"), training.step))
        value = returned.values[task.name]
        monitor = monitors.get(task.name)  # of a task that has converged: what it had learned then
        learned = returned.learned(task, len(training.history)) if monitor is None else monitor.learned
        results[task.name] = TaskResult(
            value,
            peak,
            training.epoch_of(step),
            training.epoch_of(converged[task.name]) if task.name in converged else None,
            kept_share(task, value, peak, training.trivial[task.name]),
            learned,
        )
    states = {callback.name: callback.state_dict() for callback in training.callbacks}
    return TrainingResult(
        training.model,
        results,
        training.epoch_of(returned.step),
        training.step,
        training.seconds,
        training.history,
        states,
    )


def _store(result: TrainingResult) -> dict[str, Any]:
    return {
        "model": dict(result.model.state_dict()),
        "tasks": {name: vars(task) for name, task in result.tasks.items()},
        "epoch": result.epoch,
        "steps": result.steps,
        "seconds": result.seconds,
        "history": [vars(evaluation) for evaluation in result.history],
        "callbacks": result.callbacks,
    }


def _restore(model: MultiTaskModel, state: dict[str, Any]) -> TrainingResult:
    model.load_state_dict(state["model"])
    model.eval()
    return TrainingResult(
        model,
        {name: TaskResult(**task) for name, task in state["tasks"].items()},
        state["epoch"],
        state["steps"],
        state["seconds"],
        [Evaluation(**evaluation) for evaluation in state["history"]],
        state["callbacks"],
    )
