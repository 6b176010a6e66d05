"""Several losses of one task, with fixed weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import did_you_mean
from .kind import Kind
from .kinds import KINDS
from .losses import GAMMA, Focal


def loss_problems(kind: str, losses: Mapping[str, float]) -> Iterator[str]:
    """Problems with a task's losses."""
    known = KINDS[kind].losses
    if not known:
        yield f"losses: a {kind} task has its own loss only"
        return
    for name, weight in losses.items():
        if name not in known:
            yield f"losses: a {kind} task has no loss {name!r}; {did_you_mean(name, known)}"
        elif not 0 < weight < float("inf"):
            yield f"losses: the weight of {name} must be more than 0 and finite, found {weight}"


def single_losses(kind: str, names: Iterable[str], outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Mean of every loss alone, without its weight; NaN without rows.

    Args:
        kind: The kind of task.
        names: Of the losses.
        outputs: ``[n]`` or ``[n, C]`` raw outputs.
        targets: ``[n]``, as in training.

    Example:
        >>> single_losses("regression", ["squared", "absolute"], torch.tensor([2.0, 0.0]), torch.zeros(2))
        {'squared': 2.0, 'absolute': 1.0}
    """
    return {name: KINDS[kind].losses[name](outputs, targets).mean().item() for name in names}


def with_losses(kind: Kind, losses: Sequence[tuple[str, float]], gamma: float = GAMMA) -> Kind:
    """A kind whose loss is a weighted sum of others; all else is the kind's own.

    Example:
        >>> kind = with_losses(KINDS["regression"], [("squared", 1.0), ("absolute", 0.5)])
        >>> kind.loss(torch.tensor([2.0]), torch.tensor([0.0]))
        tensor([5.])
    """

    known = {name: replace(one, gamma=gamma) if isinstance(one, Focal) else one for name, one in kind.losses.items()}

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.stack([weight * known[name](outputs, targets) for name, weight in losses]).sum(0)

    found = copy.copy(kind)
    vars(found)["loss"] = loss
    return found
