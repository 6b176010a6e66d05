"""Task affinity of a model and data: the function that users call."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..balancing import Balancer
from ..data import Rows
from ..grouping import Affinity
from ..grouping.affinity import AUTO
from ..models import MultiTaskModel
from ..task import Task
from .callbacks import AffinityProbe, affinity_from_state
from .fit import fit
from .loop import Progress
from .settings import TrainingSettings


def measure_affinity(
    model: MultiTaskModel,
    tasks: Sequence[Task] | None = None,
    *,
    train: Rows | tuple[Any, Mapping[str, Tensor]],
    validation: Rows | tuple[Any, Mapping[str, Tensor]] | None = None,
    every: int | None = None,
    estimator: str = AUTO,
    balancer: Balancer | None = None,
    settings: TrainingSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> Affinity:
    """Train a copy of ``model`` for all tasks and measure on the way how an update on each changes the others' losses.

    Args:
        model: The network; it is not changed.
        tasks: Its tasks, if you want to say them again.
        train: As for :func:`polytask.fit`.
        validation: Where early stopping looks; the training rows by default.
        every: Steps between probes; the estimator's own number by default.
        estimator: How affinity is measured, see :class:`~polytask.training.AffinityProbe`.
        balancer: How the losses are balanced meanwhile.
        settings: As for :func:`polytask.fit`.
        seed: Likewise.
        progress: Likewise.
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
    result = fit(
        copy.deepcopy(model),
        tasks,
        train=train,
        validation=train if validation is None else validation,
        balancer=balancer,
        callbacks=[AffinityProbe(every, estimator=estimator, **options)],
        settings=settings,
        seed=seed,
        progress=progress,
    )
    return affinity_from_state(result.callbacks[AffinityProbe.name], [task.name for task in model.tasks])
