"""Task affinity of a model and data: the function that users call."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..balancing import Balancer
from ..config.training import TrainingSettings
from ..data import Data, Rows, as_rows, warn_of_large_numbers
from ..display.display import Progress
from ..grouping import Affinity
from ..grouping.affinity import AUTO
from ..models import MultiTaskModel
from ..processes.collectives import is_first
from ..task import Task
from .callbacks import AffinityProbe, affinity_from_state
from .events import EventLog
from .fit import fit
from .parameters import make_lazy_parameters


def measure_affinity(
    model: MultiTaskModel,
    tasks: Sequence[Task] | None = None,
    *,
    train: Data,
    validation: Data | None = None,
    every: int | None = None,
    estimator: str = AUTO,
    balancer: Balancer | None = None,
    settings: TrainingSettings | None = None,
    seed: int = 0,
    folder: Path | None = None,
    log: EventLog | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Affinity:
    """Train a copy of ``model`` for all tasks and measure on the way how an update on each changes the others' losses.

    Args:
        model: The network; its parameters are not changed (those of lazy layers are made).
        tasks: Optional; must be the tasks of the model.
        train: The rows to learn from, in any form that :func:`polytask.fit` takes.
        validation: Rows for early stopping; the training rows by default.
        every: Steps between probes; the estimator's own number by default.
        estimator: How affinity is measured, see :class:`~polytask.training.AffinityProbe`.
        balancer: How the losses are balanced meanwhile.
        settings: As for :func:`polytask.fit`.
        seed: As for :func:`polytask.fit`.
        folder: As for :func:`polytask.fit`.
        log: As for :func:`polytask.fit`.
        progress: As for :func:`polytask.fit`.
        options: Further options of :class:`~polytask.training.AffinityProbe`.

    Returns:
        ``affinity.matrix[i, j]``: effect of an update on task i on the loss of task j; positive helps.

    Example:
        >>> import torch, polytask as pt
        >>> x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
        >>> tasks = [pt.Task("sum", kind="regression"), pt.Task("twice", kind="regression")]
        >>> model = pt.MultiTaskModel(torch.nn.Linear(4, 8), tasks)
        >>> labels = {"sum": x.sum(1), "twice": 2 * x.sum(1)}
        >>> affinity = pt.measure_affinity(model, train=(x, labels), settings=pt.TrainingSettings(steps=20))
        >>> affinity.tasks, affinity.matrix.shape
        (('sum', 'twice'), (2, 2))
    """
    rows = as_rows(train, model.tasks, "train")
    if not isinstance(train, Rows) and is_first():
        warn_of_large_numbers(model.tasks, rows, stacklevel=2)
    make_lazy_parameters(model, rows)  # what has no size yet cannot be copied
    result = fit(
        copy.deepcopy(model),
        tasks,
        train=rows,
        validation=rows if validation is None else validation,
        balancer=balancer,
        callbacks=[AffinityProbe(every, estimator=estimator, **options)],
        settings=settings,
        seed=seed,
        folder=folder,
        log=log,
        progress=progress,
    )
    return affinity_from_state(result.callbacks[AffinityProbe.name], [task.name for task in model.tasks])
