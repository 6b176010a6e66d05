"""Weights of a trained model for the start of another."""

from __future__ import annotations

from collections.abc import Collection

import torch

from ..errors import UserError
from .multitask import MultiTaskModel


def take_over(
    model: MultiTaskModel, source: MultiTaskModel, *, fresh: Collection[str] = (), heads_alone: bool = False
) -> None:
    """Give ``model`` the encoder of ``source``, buffers included, and the heads of its own tasks.

    Args:
        model: Changed in place; its tasks are among those of ``source``.
        source: A model of the same encoder, with hard sharing like ``model``.
        fresh: Names of tasks whose heads stay, and that ``source`` need not have.
        heads_alone: The encoder stays, and may be another one.

    Raises:
        UserError: A sharing architecture that is not hard, or tasks that ``source`` does not have.

    Example:
        >>> from polytask import Task
        >>> source, model = (MultiTaskModel(torch.nn.Linear(3, 2), [Task(name) for name in names])
        ...                  for names in ("ab", "b"))
        >>> take_over(model, source)
        >>> x = torch.randn(5, 3)
        >>> torch.allclose(model(x)["b"], source(x)["b"])
        True
    """
    if (model.sharing, source.sharing) != ("hard", "hard"):
        raise UserError(f"weights can be taken over with hard sharing, found {model.sharing} and {source.sharing}")
    places = {task.name: place for place, task in enumerate(source.tasks)}
    missing = [task.name for task in model.tasks if task.name not in places and task.name not in fresh]
    if missing:
        raise UserError(f"no weights for {', '.join(missing)}: the other model has only {', '.join(places)}")
    if not heads_alone:
        model.encoder.load_state_dict(source.encoder.state_dict())
    with torch.no_grad():
        for place, task in enumerate(model.tasks):
            if task.name in fresh:
                continue
            ours, theirs = model.heads.task_parameters(place), source.heads.task_parameters(places[task.name])
            for (mine, rows), (other, from_rows) in zip(ours, theirs, strict=True):
                mine[rows] = other[from_rows].to(mine.device)
