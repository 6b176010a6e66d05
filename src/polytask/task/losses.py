"""Losses that a task may have instead of its kind's own, alone or several of them with fixed weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from ..errors import did_you_mean
from .kinds import KINDS, Kind

#: ``loss(outputs, targets)``, one number per element.
Loss = Callable[[Tensor, Tensor], Tensor]
#: Focusing parameter of :func:`focal`.
GAMMA = 2.0


def absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    """Absolute error in standardised units."""
    return (outputs - targets.to(outputs.dtype)).abs()


def huber(outputs: Tensor, targets: Tensor) -> Tensor:
    """Huber's loss with its bend at 1, in standardised units."""
    return huber_loss(outputs, targets.to(outputs.dtype), reduction="none")


def focal(kind: str) -> Loss:
    """``(1 - p)^2 (-log p)`` of the true class's probability p: what is easy counts less.

    Source:
        T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002, with gamma 2.
    """

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        entropy = KINDS[kind].loss(outputs, targets)
        return (1 - torch.exp(-entropy)) ** GAMMA * entropy

    return loss


def brier(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error of the probability of the positive class (Brier, 1950).

    Example:
        >>> brier(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0]))
        tensor([0.2500, 0.2500])
    """
    return (torch.sigmoid(outputs) - targets.to(outputs.dtype)) ** 2


def brier_of_classes(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error of the probabilities of all classes."""
    chances = outputs.softmax(-1)
    true = chances.gather(-1, targets.long()[..., None])[..., 0]
    return (chances**2).sum(-1) - 2 * true + 1


#: By the kind of task and the name in settings.
LOSSES: dict[str, dict[str, Loss]] = {
    "binary": {"cross_entropy": KINDS["binary"].loss, "focal": focal("binary"), "brier": brier},
    "multiclass": {"cross_entropy": KINDS["multiclass"].loss, "focal": focal("multiclass"), "brier": brier_of_classes},
    "regression": {"squared": KINDS["regression"].loss, "absolute": absolute, "huber": huber},
}


def loss_problems(kind: str, losses: Mapping[str, float]) -> Iterator[str]:
    """What is wrong with a task's losses."""
    known = LOSSES.get(kind, {})
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
    return {name: LOSSES[kind][name](outputs, targets).mean().item() for name in names}


class WithLosses(Kind):
    """A kind whose loss is a weighted sum of others; all else is the kind's own.

    Args:
        kind: The kind.
        losses: Names and weights.

    Example:
        >>> kind = WithLosses(KINDS["regression"], [("squared", 1.0), ("absolute", 0.5)])
        >>> kind.loss(torch.tensor([2.0]), torch.tensor([0.0]))
        tensor([5.])
    """

    def __init__(self, kind: Kind, losses: Sequence[tuple[str, float]]) -> None:
        self._kind, self._losses = kind, [(LOSSES[kind.name][name], weight) for name, weight in losses]
        self.name, self.vector_output, self.default_metric = kind.name, kind.vector_output, kind.default_metric  # type: ignore[misc]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.stack([weight * loss(outputs, targets) for loss, weight in self._losses]).sum(0)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        return self._kind.soft_loss(outputs, teacher, temperature)

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return self._kind.outputs_of(predictions)

    def predict(self, outputs: Tensor) -> Tensor:
        return self._kind.predict(outputs)
