"""What every balancing method offers to a loop, ours or anybody's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..errors import UserError, did_you_mean
from .task_losses import TaskLosses

ABSENT = ("renormalise", "keep")


class Balancer(nn.Module, ABC):
    """Turns the losses of K tasks into one update.

    A method writes :meth:`weights`; state goes into buffers, from which checkpoints and device moves follow. The user's
    weights multiply what the method finds: ``total = sum_t user_t * weight_t * L_t``; the method itself sees the
    unweighted losses.

    Args:
        absent: What happens to the weights of the others when tasks have no label in a batch: ``renormalise`` them so
            that they sum to the number of present tasks, or ``keep`` them.

    Example:
        >>> from polytask.balancing import Equal
        >>> weight = torch.ones(2, requires_grad=True)
        >>> Equal().backward({"click": weight[0] ** 2, "price": 3 * weight[1]})
        tensor([1., 1.])
        >>> weight.grad
        tensor([2., 3.])
    """

    #: Name in the catalogue and on the command line.
    name: ClassVar[str]

    def __init__(self, *, absent: str = "renormalise") -> None:
        super().__init__()
        if absent not in ABSENT:
            raise UserError(f"balancer {self.name!r}: absent={absent!r} is not known; {did_you_mean(absent, ABSENT)}")
        self.absent = absent
        self.tasks: list[str] = []
        self.user_weights: Tensor
        self.register_buffer("user_weights", torch.ones(0), persistent=False)

    def bind(self, tasks: Sequence[str], user_weights: Mapping[str, float] | None = None) -> None:
        """Say which tasks there are; a loop of your own may leave this to the first :meth:`backward`.

        Raises:
            UserError: If weights are given for an unknown task.
        """
        self.tasks = list(tasks)
        given = dict(user_weights or {})
        unknown = [name for name in given if name not in self.tasks]
        if unknown:
            raise UserError(*[f"weights: {name!r} is not a task; {did_you_mean(name, self.tasks)}" for name in unknown])
        self.user_weights = torch.tensor([float(given.get(task, 1.0)) for task in self.tasks])
        self._start(len(self.tasks))

    def _start(self, tasks: int) -> None:
        """Make the state for this number of tasks."""

    @abstractmethod
    def weights(self, losses: TaskLosses) -> Tensor:
        """``[K]`` weights of this step, before the user's weights; those of absent tasks do not matter."""

    def total(self, losses: TaskLosses) -> tuple[Tensor, Tensor]:
        """The loss to differentiate, and the ``[K]`` weights in it (the user's included, 0 for absent tasks)."""
        weights = self.weights(losses)
        if not losses.complete:
            weights = torch.where(losses.present, weights, 0.0)
            if self.absent == "renormalise":
                weights = weights * (losses.present.sum() / weights.sum().clamp_min(1e-12))
        weights = weights * self.user_weights
        return weights @ losses.values, weights

    def backward(
        self,
        losses: TaskLosses | Mapping[str, Tensor],
        *,
        shared: Any = None,
        features: Tensor | None = None,
        backward: Callable[[Tensor], Any] = Tensor.backward,
    ) -> Tensor:
        """Fill ``.grad`` of every parameter from the losses of one step.

        Args:
            losses: Scalar tensors by task name; an absent task may be left out.
            shared: Shared parameters; methods that weigh losses do not need them.
            features: The shared representation; likewise.
            backward: How the total is differentiated, e.g. ``fabric.backward`` or
                ``lambda total: scaler.scale(total).backward()``.

        Returns:
            ``[K]`` the weights used.

        Raises:
            UserError: If no task has a loss, or an unknown task has one.
        """
        if not isinstance(losses, TaskLosses):
            losses = self._from_mapping(losses)
        total, weights = self.total(losses)
        backward(total)
        return weights.detach()

    def _from_mapping(self, losses: Mapping[str, Tensor]) -> TaskLosses:
        if not losses:
            raise UserError("losses: every task is absent; give at least one loss, or skip the step")
        if not self.tasks:
            self.bind(list(losses))
        unknown = [name for name in losses if name not in self.tasks]
        if unknown:
            raise UserError(*[f"losses: {name!r} is not a task; {did_you_mean(name, self.tasks)}" for name in unknown])
        result = TaskLosses.from_mapping(losses, self.tasks)
        self.to(result.values.device)
        return result

    def end_epoch(self) -> None:
        """Call at the end of every epoch."""

    def task_switched(self, task: int) -> None:
        """A task's loss has changed its scale (true labels gave way to soft ones): forget its past."""
