"""What a kind of target has to know: its loss, its soft-label loss, how outputs become predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ...errors import UserError


class Kind(ABC):
    """A kind of target. All methods are pure; ``...`` stands for any leading dimensions (rows, tasks).

    A kind of ``vector_output`` has outputs of shape ``[..., width]`` for targets of shape ``[...]``;
    the others have outputs and targets of the same shape.
    """

    name: ClassVar[str]
    vector_output: ClassVar[bool] = False
    #: A row's target is not one number but ``[L]`` of them, NaN where there is none; see :class:`WideKind`.
    wide: ClassVar[bool] = False
    #: The head reads a representation per item of a row (a token, a document), ``[B, 1 + L, D]``.
    items: ClassVar[bool] = False
    default_metric: ClassVar[str]

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of every element, shape ``[...]``."""

    @abstractmethod
    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """Distance of every element to the ``teacher``'s outputs, shape ``[...]``; 0 where both agree."""

    def average(self, outputs: Sequence[Tensor]) -> Tensor:
        """One teacher from several: outputs whose prediction is the mean prediction."""
        if len(outputs) == 1:
            return outputs[0]
        return self.outputs_of(torch.stack([self.predict(output) for output in outputs]).mean(0))

    @abstractmethod
    def outputs_of(self, predictions: Tensor) -> Tensor:
        """The inverse of :meth:`predict`, finite also for predictions that are sure."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Tensor:
        """Probabilities (class kinds) or values in the units of training (regression)."""


class WideKind(Kind):
    """A kind whose targets are ``[..., L]``: several labels, tokens or documents per row.

    NaN marks a place without a target, in targets and in a teacher's outputs alike; its loss is 0.
    """

    wide = True

    def counts(self, targets: Tensor) -> Tensor:
        """Number of losses in each row, ``[...]``; the mean loss is over these."""
        return (~torch.isnan(targets)).sum(-1)


def check_places(found: int, targets: int) -> None:
    """Raise if an encoder does not see as many places (words, pixels) as there are targets.

    Raises:
        UserError: It says how many there are of each.
    """
    if found != targets:
        raise UserError(f"encoder: it gives {found} places per row, and there are targets for {targets}; make its "
                        f"features [B, 1 + {targets}, D], or write the targets at its resolution")  # fmt: skip


def without_nan(values: Tensor) -> Tensor:
    """0 instead of NaN: masking after arithmetic alone would still give NaN gradients."""
    return torch.nan_to_num(values, nan=0.0)
