"""Methods of torchjd that turn losses into one value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import raise_all
from .balancer import Balancer
from .extras import torchjd_aggregation
from .task_losses import TaskLosses


class Scalarizer(Balancer):
    """A scalarisation of torchjd with a preference vector, in which absent tasks are left out.

    The weights are the derivatives of its value for the losses. A method makes torchjd's object in :meth:`_make`.
    """

    extra: ClassVar[str] = "balancing"

    def __init__(self, preference: Mapping[str, float] | None = None) -> None:
        super().__init__()
        given = dict(preference or {})
        raise_all(
            [
                f"{self.name}: preference of {task!r}: expected more than 0, found {value}"
                for task, value in given.items()
                if not 0 < float(value) < float("inf")
            ]
        )
        torchjd_aggregation(self.name, self.extra)  # a missing package is reported now
        self.given = given
        self.preference: Tensor
        self.register_buffer("preference", torch.ones(0), persistent=False)

    def _start(self, tasks: int) -> None:
        self._check_names(f"{self.name}: preference", self.given)
        values = torch.tensor([float(self.given.get(task, 1.0)) for task in self.tasks])
        self.preference = values / values.sum()

    def weights(self, losses: TaskLosses) -> Tensor:
        import torchjd.scalarization

        present = losses.present
        preference = self.preference[present].to(losses.means.dtype)
        with torch.enable_grad():
            means = losses.means[present].requires_grad_()
            value = self._make(torchjd.scalarization, preference / preference.sum())(means)
        found = torch.autograd.grad(value, means)[0]
        return torch.zeros_like(losses.means).masked_scatter(present, found)

    def _make(self, torchjd: Any, preference: Tensor) -> Any:
        """The scalarisation, from the module ``torchjd.scalarization``, with the preferences of the present tasks."""
        raise NotImplementedError
