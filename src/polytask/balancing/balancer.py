"""What every balancing method offers to a loop, ours or anybody's."""

from __future__ import annotations

import json
from abc import ABC
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..errors import UserError, did_you_mean, raise_all
from ..processes import world_size
from .needs import Needs
from .task_losses import TaskLosses

ABSENT = ("renormalise", "keep")
Losses = TaskLosses | Mapping[str, Tensor]


class Balancer(nn.Module, ABC):
    """Turns the losses of K tasks into one update.

    A method writes :meth:`weights`; state goes into buffers, from which checkpoints and device moves follow. What it
    needs beyond the losses it says in :attr:`needs`.

    One rule for the user's weights: per sample (and per sample and task) they are inside the mean loss of a task; per
    task they multiply what the method finds, ``total = sum_t user_t * weight_t * L_t``. The method itself sees the
    losses without the user's weights per task.

    One update per optimiser step: to accumulate micro-batches, give the mean of their losses (and all their
    ``features``) to one call.

    Args:
        absent: What happens to the weights of the others when tasks have no label in a batch, for methods whose weights
            sum to the number of tasks: ``renormalise`` them so that they sum to the number of present tasks, or
            ``keep`` them.

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
    #: What it looks at, in words, for the catalogue.
    sees: ClassVar[str] = "losses"
    #: The project's extra with packages that it needs beyond the core ones, if any.
    extra: ClassVar[str] = ""

    def __init__(self, *, absent: str = "keep") -> None:
        super().__init__()
        self._check(absent=(absent, ABSENT))
        self.absent = absent
        self.tasks: list[str] = []
        self.steps = 0
        #: ``[n, n]`` inner products of the gradients of the present tasks in the last step, if they were computed.
        self.gramian: Tensor | None = None
        self.user_weights: Tensor
        self.register_buffer("user_weights", torch.ones(0), persistent=False)

    def _check(self, **choices: tuple[str, Sequence[str]]) -> None:
        """Refuse options that are not among the known ones."""
        raise_all(
            [
                f"balancer {self.name!r}: {option}={value!r} is not known; {did_you_mean(str(value), known)}"
                for option, (value, known) in choices.items()
                if value not in known
            ]
        )

    def _check_range(self, **ranges: tuple[float, float, float]) -> None:
        """Refuse numbers outside ``(value, least, most)``."""
        raise_all(
            [
                f"balancer {self.name!r}: expected {option} from {least:g} to {most:g}, found {value}"
                for option, (value, least, most) in ranges.items()
                if not least <= value <= most
            ]
        )

    @property
    def needs(self) -> Needs:
        """What the loop must provide."""
        return Needs()

    def cost(self, shared: Iterable[Tensor]) -> str:
        """What a step costs beyond that of equal weights, in words; empty for nothing worth a word."""
        return ""

    def bind(self, tasks: Sequence[str], user_weights: Mapping[str, float] | None = None) -> None:
        """Say which tasks there are, and begin anew; a loop of your own may leave this to the first :meth:`backward`,
        if that has all tasks. ``load_state_dict`` brings the tasks of the balancer whose state it is.

        Raises:
            UserError: If weights are given for an unknown task.
        """
        self.tasks, self.steps = list(tasks), 0
        given = dict(user_weights or {})
        self._check_names("weights", given)
        self.user_weights = torch.tensor([float(given.get(task, 1.0)) for task in self.tasks], dtype=torch.float32)
        self._start(len(self.tasks))

    def _check_names(self, what: str, names: Iterable[str]) -> None:
        raise_all(
            [
                f"{what}: {name!r} is not a task; {did_you_mean(name, self.tasks)}"
                for name in names
                if name not in self.tasks
            ]
        )

    def attach(self, encoder: nn.Module) -> None:
        """Show the shared module before the first forward pass; only ``gradients="gramian"`` makes use of it."""

    def _start(self, tasks: int) -> None:
        """Make the state for this number of tasks."""

    def weights(self, losses: TaskLosses) -> Tensor:
        """``[K]`` weights of this step, before the user's weights; those of absent tasks do not matter."""
        raise NotImplementedError

    def total(self, losses: TaskLosses) -> tuple[Tensor, Tensor]:
        """The loss to differentiate, and the ``[K]`` weights in it (the user's included, 0 for absent tasks)."""
        weights = self.weights(losses)
        if not losses.complete:
            weights = torch.where(losses.present, weights, 0.0)
            if self.absent == "renormalise":
                weights = weights * (losses.present.sum() / weights.sum().clamp_min(1e-12))
        weights = (weights * self.user_weights).to(losses.values.dtype)
        return weights @ losses.values, weights

    def backward(
        self,
        losses: Losses,
        *,
        shared: Iterable[Tensor] | None = None,
        features: Tensor | Sequence[Tensor] | None = None,
        counts: Mapping[str, int] | None = None,
        backward: Callable[[Tensor], object] = Tensor.backward,
    ) -> Tensor:
        """Fill ``.grad`` of every parameter from the losses of one step.

        Args:
            losses: Scalar tensors by task name; an absent task may be left out.
            shared: Shared parameters; methods that weigh losses do not need them.
            features: The shared representation from which all heads read, or several; likewise.
            counts: Labelled samples behind each loss, for several processes with unequal batches.
            backward: How the total is differentiated, e.g. ``fabric.backward`` or
                ``lambda total: scaler.scale(total).backward()``. It is called once, with a scalar.

        Returns:
            ``[K]`` the weights used.

        Raises:
            UserError: If no task has a loss, an unknown task has one, or something in :attr:`needs` is not given.
        """
        total, weights = self.total(self._prepare(losses, counts))
        self.steps += 1
        backward(total)
        return weights.detach()

    def _prepare(self, losses: Losses, counts: Mapping[str, int] | None = None) -> TaskLosses:
        """The losses of a loop of the user's as :class:`TaskLosses`."""
        if isinstance(losses, TaskLosses):
            return losses
        if not losses and world_size() == 1:
            raise UserError("losses: every task is absent; give at least one loss, or skip the step")
        if not self.tasks:
            self.bind(list(losses))
        self._check_names("losses", losses)
        result = TaskLosses.from_mapping(losses, self.tasks, counts)
        if self.user_weights.device != result.values.device:
            self.to(result.values.device)
        return result

    def after_step(self, losses: Callable[[], Losses]) -> None:
        """Call after the optimiser's step if :attr:`needs` says ``second_forward``; leave it out for a skipped step.

        Args:
            losses: Computes the losses of the same batch again, with the new parameters, equal dropout masks and no
                change of running statistics.
        """

    def observe_metrics(self, levels: Mapping[str, float]) -> None:
        """Call after every evaluation if :attr:`needs` says ``metrics``.

        Args:
            levels: How good each task is, from 0 (trivial) to 1 (perfect); a task may be left out, NaN is ignored.
        """

    def end_epoch(self) -> None:
        """Call at the end of every epoch."""

    def task_switched(self, task: int) -> None:
        """A task's loss has changed its scale (true labels gave way to soft ones): forget its past."""

    def task_reopened(self, task: int) -> None:
        """A task that was held by soft labels learns from its true labels again."""
        self.task_switched(task)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        self._take_tasks(state_dict.get(f"{prefix}_extra_state"))
        # Some state takes its size from the model in the first step.
        for name, buffer in self._buffers.items():
            saved = state_dict.get(prefix + name)
            if buffer is not None and saved is not None and saved.shape != buffer.shape:
                self._buffers[name] = torch.empty_like(saved, device=buffer.device)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _take_tasks(self, extra: Tensor | None) -> None:
        """Bind to the tasks of a state, in whose order its numbers are."""
        tasks = [] if extra is None else _read_extra(extra)["tasks"]
        if tasks and not self.tasks:
            self.bind(tasks)
        if tasks and self.tasks != tasks:
            raise UserError(
                f"balancer {self.name!r}: the state is that of tasks {', '.join(tasks)}, the balancer was bound to "
                f"{', '.join(self.tasks)}; bind it to the same tasks in the same order"
            )

    def get_extra_state(self) -> Tensor:
        """Steps and tasks, for :meth:`state_dict`: JSON as a tensor of bytes, since some files hold only tensors."""
        return torch.tensor(list(json.dumps({"steps": self.steps, "tasks": self.tasks}).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Continue from :meth:`get_extra_state`."""
        self.steps = int(_read_extra(state)["steps"])


def _read_extra(state: Tensor) -> dict[str, Any]:
    if not state.ndim:  # before the tasks were in it
        return {"steps": int(state), "tasks": []}
    return json.loads(bytes(state.tolist()))
