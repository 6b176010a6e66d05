"""What every way to measure affinity has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import Tensor
from torch.optim import Optimizer

from ....balancing import TaskLosses


@dataclass(frozen=True)
class Moment:
    """One training step, as an estimator sees it.

    Attributes:
        model: The network, in training mode; a :class:`~polytask.MultiTaskModel` or one that has its methods.
        optimizer: The training's, only to be read.
        inputs: Inputs of the batch.
        forward: Another forward pass of the batch, in float32; gives the losses.
        step: Number of the step.
        plain: The training's forward pass calls every layer of the encoder once, as it is: not compiled, not in parts.
    """

    model: Any
    optimizer: Optimizer
    inputs: Any
    forward: Callable[[], TaskLosses]
    step: int
    plain: bool = True


class Sample(NamedTuple):
    """What an estimator found in one step.

    Attributes:
        affinity: ``[K, K]``, effect of a step on task i (row) on the loss of task j (column); NaN if undefined.
        present: ``[K]`` bool, tasks with a label in the batch.
        gramian: ``[K, K]`` inner products of the tasks' gradients, where the estimator has them.
    """

    affinity: Tensor
    present: Tensor
    gramian: Tensor | None = None


class Estimator:
    """One way to estimate affinity in a step of training, without leaving a trace in it.

    A sampled step is shown twice: before its forward pass, and after it with the graph still there. One of the two
    calls gives the sample.
    """

    #: Its name in ``ESTIMATORS``, in configurations and in ``affinity.json``.
    name: ClassVar[str]
    #: Whether its samples have a Gramian.
    gives_gramian: ClassVar[bool] = True
    #: Whether it measures gradients of parameters, on which the losses must be seen to depend.
    of_parameters: ClassVar[bool] = True

    def every(self, tasks: int) -> int:
        """Steps between samples unless the user overrides it: few enough that the cost stays small."""
        raise NotImplementedError

    def misfit(self, moment: Moment) -> str | None:
        """Why it cannot measure this training; None if it can. Asked once, at the first sampled step."""
        return None

    def before_forward(self, moment: Moment) -> Sample | None:
        """Before the training's forward pass."""
        return None

    def after_forward(self, moment: Moment, common: tuple[Tensor, ...] | None, losses: TaskLosses) -> Sample | None:
        """After it; ``common`` (where the shared part ends; None if nowhere) and ``losses.values`` hold the graph."""
        return None

    def settings(self) -> dict[str, Any]:
        """Its options, for ``affinity.json``."""
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
