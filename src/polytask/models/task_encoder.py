"""What an architecture offers that gives every task separate features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

#: Rows of a parameter that belong to one task alone.
TaskPart = tuple[Tensor, slice]


class Representation(NamedTuple):
    """What an encoder finds in a batch.

    Attributes:
        features: What the heads read: ``[B, D]`` common to all tasks, or ``[B, K, D]``.
        common: Tensors through which everything passes that goes from shared parameters to the losses; None if there
            is no such place. Balancers take gradients there.
    """

    features: Tensor
    common: tuple[Tensor, ...] | None


class TaskEncoder(nn.Module, ABC):
    """An encoder with features per task, ``[B, K, D]``.

    Attributes:
        width: D.
        cut: :attr:`Representation.common` exists.
        last_layer: There is a last shared layer, through which everything passes; it comes last in
            :meth:`polytask.MultiTaskModel.shared_parameters`.
    """

    #: Where it comes from.
    reference: ClassVar[str]
    width: int
    cut: bool = False
    last_layer: bool = True

    @abstractmethod
    def represent(self, inputs: object) -> Representation:
        """Features of a batch."""

    def forward(self, inputs: object) -> Tensor:
        return self.represent(inputs).features

    @abstractmethod
    def shared_modules(self) -> list[nn.Module]:
        """Modules with parameters that several tasks train."""

    @abstractmethod
    def task_parameters(self, task: int) -> list[TaskPart]:
        """Parameters (or rows of them) that the loss of one task alone reaches."""


def whole(module: nn.Module) -> Iterator[TaskPart]:
    """All parameters of a module that belongs to one task.

    Example:
        >>> [(tuple(p.shape), rows) for p, rows in whole(nn.Linear(2, 3))]
        [((3, 2), slice(None, None, None)), ((3,), slice(None, None, None))]
    """
    return ((parameter, slice(None)) for parameter in module.parameters())
