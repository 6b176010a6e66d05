"""What every balancing method offers to a loop, ours or yours."""

from __future__ import annotations

import inspect
import json
import warnings
from abc import ABC
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ..errors import UserError, did_you_mean, raise_all
from ..processes.collectives import world_size
from .needs import Needs
from .task_losses import TaskLosses
from .task_weights import TaskWeights

ABSENT = ("renormalise", "keep")
Losses = TaskLosses | Mapping[str, Tensor]
Shared = Tensor | nn.Module | Iterable[Tensor | tuple[str, Tensor]]
#: On an accelerator losses are checked every so many steps, because to look at them is to wait for the device.
WATCHED = 64
#: Rounding that a loss may be below its lower bound.
ROUNDING = 1e-5
#: Steps of a custom loop without a call that a method needs, after which a warning names it.
UNCALLED = {"after_step": 50, "end_epoch": 250, "observe_metrics": 250}


#: A context in which nothing changes, made once.
UNCHANGED = nullcontext()


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Autocast off, on the CPU (where solvers run) and on ``device``."""
    kinds = [kind for kind in ("cpu", device.type) if torch.is_autocast_enabled(kind)]
    return _without_autocast(kinds) if kinds else UNCHANGED


@contextmanager
def _without_autocast(kinds: Sequence[str]) -> Iterator[None]:
    with torch.autocast(kinds[0], enabled=False), torch.autocast(kinds[-1], enabled=False):
        yield


class Balancer(nn.Module, ABC):
    """Turns the losses of K tasks into one update.

    A method defines :meth:`weights`; state goes into buffers, from which checkpoints and device moves follow. What it
    needs beyond the losses is in :attr:`needs`.

    One rule for the user's weights: per sample (and per sample and task) they are inside the mean loss of a task; per
    task they multiply what the method finds, ``total = sum_t user_t * weight_t * L_t``. The method itself sees the
    losses without the user's weights per task.

    One update per optimiser step: to accumulate micro-batches, give the mean of their losses (and all their
    ``features``) to one call.

    What a method computes does not depend on the caller: autocast is off, losses, Gramians and state are float32 or
    better, and ``.half()`` or ``.double()`` moves none of it.

    A task whose labels were replaced by soft ones (:meth:`task_switched`) leaves the method: its loss goes to 0, and
    cannot be compared with those of true labels. Its gradient gets the mean weight of the tasks that learn.

    Args:
        absent: What happens to the weights of the others when tasks have no label in a batch, for methods whose weights
            sum to the number of tasks: ``renormalise`` them so that they sum to the number of present tasks, or
            ``keep`` them.

    Example:
        >>> from polytask.balancing import Equal
        >>> weight = torch.ones(2, requires_grad=True)
        >>> Equal().backward({"click": weight[0] ** 2, "price": 3 * weight[1]})
        {'click': 1.0, 'price': 1.0}
        >>> weight.grad
        tensor([2., 3.])
    """

    #: Name in the catalogue and on the command line.
    name: ClassVar[str]
    #: What it looks at, in words, for the catalogue.
    sees: ClassVar[str] = "losses"
    #: The project's extra with packages that it needs beyond the core ones, if any.
    extra: ClassVar[str] = ""
    #: Weights follow what is seen of the tasks; if not, a task keeps its weight whatever its labels are.
    adapts: ClassVar[bool] = True
    #: Buffers that the state of earlier versions lacks.
    newer: ClassVar[tuple[str, ...]] = ("switched", "soft_weight")
    __signature__: ClassVar[inspect.Signature]
    _options: dict[str, Any]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        parameters = list(inspect.signature(cls.__init__).parameters.values())
        cls.__signature__ = inspect.Signature(parameters[1:])  # that of __new__ below has no names

    def __new__(cls, *args: Any, **options: Any) -> Self:
        made = super().__new__(cls)
        with suppress(TypeError):  # which __init__ is about to raise
            made.__dict__["_options"] = dict(cls.__signature__.bind_partial(*args, **options).arguments)
        return made

    def __repr__(self) -> str:
        """An expression that makes this balancer."""
        options = self.__dict__.get("_options", {}).items()
        return f"{type(self).__name__}({', '.join(f'{name}={_written(value)}' for name, value in options)})"

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
        #: ``[K]`` bool, tasks that learn from soft labels; and their weight, which is that of the others in the mean.
        self.switched: Tensor
        self.soft_weight: Tensor
        self.register_buffer("switched", torch.zeros(0, dtype=torch.bool))
        self.register_buffer("soft_weight", torch.ones(()))
        #: ``[K]`` bool, the tasks that :attr:`gramian` is about.
        self.took_part = torch.ones(0, dtype=torch.bool)
        self._any_switched = False
        self._any_loss = False  # nothing is required of losses, known once it is bound
        self._latest: tuple[Tensor, Tensor] | None = None  # weights and labels of the learning tasks in the last step
        self._lowest: Tensor | None = None  # [K] least loss above its bound since the last check
        self._counts: Mapping[str, int] | None = None  # of the step in progress
        self._uncalled = dict.fromkeys(UNCALLED, 0)

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
        """What a step costs beyond that of equal weights, in words; empty if negligible."""
        return ""

    def bind(self, tasks: Sequence[str], user_weights: Mapping[str, float] | None = None) -> None:
        """Set the tasks and reset the state; in your own loop the first :meth:`backward` does this, if it has all
        tasks. ``load_state_dict`` brings the tasks of the balancer whose state it is.

        Raises:
            UserError: If weights are given for an unknown task.
        """
        self.tasks, self.steps = list(tasks), 0
        self._any_loss = self.needs.losses == "any"
        self.switched = torch.zeros(len(self.tasks), dtype=torch.bool)
        self.soft_weight, self._any_switched, self._latest = torch.ones(()), False, None
        self.set_user_weights(user_weights or {})
        self._start(len(self.tasks))

    def set_user_weights(self, weights: Mapping[str, float]) -> None:
        """Set the user's weights per task, 1 for one that is left out; the state stays as it is.

        Raises:
            UserError: If weights are given for an unknown task.
        """
        self._check_names("weights", weights)
        given = [float(weights.get(task, 1.0)) for task in self.tasks]
        self.user_weights = torch.tensor(given, dtype=torch.float32, device=self.switched.device)

    def _check_names(self, what: str, names: Iterable[str]) -> None:
        raise_all(
            [
                f"{what}: {name!r} is not a task; {did_you_mean(name, self.tasks)}"
                for name in names
                if name not in self.tasks
            ]
        )

    def attach(self, encoder: nn.Module) -> None:
        """Register the shared module before the first forward pass; only ``gradients="gramian"`` uses it."""

    def _start(self, tasks: int) -> None:
        """Make the state for this number of tasks."""

    def weights(self, losses: TaskLosses) -> Tensor:
        """``[K]`` weights of this step, before the user's weights; those of absent tasks do not matter."""
        raise NotImplementedError

    def total(self, losses: TaskLosses) -> tuple[Tensor, Tensor]:
        """The loss to differentiate, and the ``[K]`` weights in it (the user's included, 0 for absent tasks)."""
        learning = self._learning(losses)
        weights = self.soft_weight.expand(len(self.tasks)) if learning.nothing else self.weights(learning)
        if not learning.complete:
            weights = torch.where(learning.present, weights, 0.0)
            if self.absent == "renormalise":
                weights = weights * (learning.present.sum() / weights.sum().clamp_min(1e-12))
        weights = (self._with_switched(weights, losses, learning) * self.user_weights).to(losses.values.dtype)
        return weights @ losses.values, weights

    def _learning(self, losses: TaskLosses) -> TaskLosses:
        """The losses as a method sees them: tasks that learn from soft labels count as absent."""
        if not self._any_switched:
            return losses
        return replace(losses, counts=losses.counts.masked_fill(self.switched, 0.0), complete=False)

    def _with_switched(self, weights: Tensor, losses: TaskLosses, learning: TaskLosses) -> Tensor:
        """``weights`` of the learning tasks (others 0) with those of the tasks that learn from soft labels."""
        self._latest = weights.detach(), learning.counts
        if not self._any_switched:
            return weights
        self._take_soft_weight()
        return torch.where(losses.present & self.switched, self.soft_weight, weights)

    def _take_soft_weight(self) -> None:
        """Remember the mean weight of the tasks that learn."""
        if self._latest is None:
            return
        weights, counts = self._latest
        here = (counts > 0) & torch.isfinite(weights)
        mean = torch.where(here, weights, 0.0).sum() / here.sum()
        self.soft_weight = torch.where(here.any(), mean.clamp_min(0), self.soft_weight).to(self.soft_weight)

    def backward(
        self,
        losses: Losses,
        *,
        shared: Shared | None = None,
        features: Tensor | Sequence[Tensor] | None = None,
        counts: Mapping[str, int] | None = None,
        backward: Callable[[Tensor], object] = Tensor.backward,
    ) -> TaskWeights:
        """Fill ``.grad`` of every parameter from the losses of one step.

        A step in which no label has a weight is left out: no state changes, and gradients are 0.

        Args:
            losses: Scalar tensors by task name; an absent task may be left out, and of several processes one may have
                none.
            shared: Shared parameters (one, several, named ones or a module); methods that weigh losses do not need
                them. A parameter that is given twice counts once.
            features: The shared representation from which all heads read, or several. If shared parameters also affect
                the losses by a path around it (tied weights, skip connections), gradients are those of the parameters.
            counts: Labelled samples behind each loss, for several processes with unequal batches; a task without any is
                absent, whatever its loss.
            backward: How the total is differentiated, e.g. ``fabric.backward`` or
                ``lambda total: scaler.scale(total).backward()``. It is called once, with a scalar.

        Returns:
            ``[K]`` the weights used, which are also found by the names of the tasks.

        Raises:
            UserError: If no task has a loss, an unknown task has one, a loss is not a scalar, something in
                :attr:`needs` is not given, or the losses do not depend on what is given.
        """
        self._counts = counts
        prepared = self._prepare(losses, counts)
        detached = not prepared.values.requires_grad and prepared is not losses
        if detached and world_size() == 1 and not prepared.nothing:
            raise UserError("losses: none depends on a parameter; were they computed under torch.no_grad or detached?")
        with full_precision(prepared.values.device):
            if prepared.nothing:
                return self._left_out(prepared, backward)
            if not self._any_loss:
                self._watch(self._learning(prepared))
            try:
                weights = self._step(prepared, shared, features, backward)
            except RuntimeError as error:
                if "backward through the graph a second time" not in str(error):
                    raise
                raise freed_error() from error
        self.steps += 1
        if prepared is not losses:
            self._notice_uncalled()
        return TaskWeights.of(weights, self.tasks)

    def _left_out(self, losses: TaskLosses, backward: Callable[[Tensor], object]) -> TaskWeights:
        """Nobody has a label: every parameter takes part with zeros, as other processes may wait for it."""
        if losses.values.requires_grad:
            backward(torch.where(losses.present, losses.values, 0.0).sum())
        return TaskWeights.of(torch.zeros_like(losses.means), self.tasks)

    def _step(
        self,
        losses: TaskLosses,
        shared: Shared | None,
        features: Tensor | Sequence[Tensor] | None,
        backward: Callable[[Tensor], object],
    ) -> Tensor:
        """What :meth:`backward` does for a step with labels, in full precision."""
        total, weights = self.total(losses)
        backward(total)
        return weights

    def _prepare(self, losses: Losses, counts: Mapping[str, int] | None = None) -> TaskLosses:
        """The losses of a loop of the user's as :class:`TaskLosses`."""
        if isinstance(losses, TaskLosses):
            return losses
        if not isinstance(losses, Mapping):
            raise UserError(
                "losses: expected scalar losses by task name, {'click': ..., 'price': ...}, one for each task and not "
                f"their sum, found {type(losses).__name__}"
            )
        if not losses and world_size() == 1:
            raise UserError("losses: every task is absent; give at least one loss, or skip the step")
        if not losses and not self.tasks:
            raise UserError("losses: this process has none in the first step; call bind with all tasks before it")
        if not self.tasks:
            self.bind(list(losses))
        raise_all(
            [
                f"losses: {name!r} is not a task; {did_you_mean(str(name), map(str, self.tasks))} (if the first step "
                "lacks a task, call bind with all of them before it)"
                for name in losses
                if name not in self.tasks
            ]
        )
        result = TaskLosses.from_mapping(losses, self.tasks, counts, self.user_weights.device)
        if self.user_weights.device != result.values.device:
            self.to(result.values.device)
        return result

    def _bounds(self) -> Tensor | float:
        """``[K]`` or one number: what losses must not be below, for methods that need this."""
        return 0.0

    def _watch(self, losses: TaskLosses) -> None:
        """Refuse losses below their bounds; on an accelerator some steps later, without waiting for it."""
        above = losses.means - self._bounds()
        if not losses.complete:
            above = torch.where(losses.present, above, torch.inf)
        if above.device.type != "cpu":
            above = self._lowest = above if self._lowest is None else torch.fmin(self._lowest, above)
            if self.steps % WATCHED:
                return
        self._lowest = None
        for task, value in zip(self.tasks, above.tolist(), strict=True):
            if value < -ROUNDING:
                raise UserError(
                    f"balancer {self.name!r} needs losses of at least their lower bound (0, if none is given), and "
                    f"that of {task!r} is {-value:.3g} below it (step {self.steps}): add a constant to that loss which "
                    "keeps it above 0, or choose a method that takes any loss, such as equal, static or upgrad"
                )

    def _notice_uncalled(self) -> None:
        """Say once that a call is missing without which the weights stay as they are."""
        needs = self.needs
        wanted = {
            "after_step": needs.second_forward,
            "end_epoch": needs.epochs,
            "observe_metrics": needs.metrics is not None,
        }
        for call, needed in wanted.items():
            self._uncalled[call] += 1
            if needed and self._uncalled[call] == UNCALLED[call]:
                warnings.warn(
                    f"balancer {self.name!r}: {call} has not been called in {UNCALLED[call]} steps, and its weights do "
                    f"not move without; see Balancer.{call}",
                    stacklevel=3,
                )

    def _called(self, call: str) -> None:
        self._uncalled[call] = -(10**12)  # said never again

    def after_step(self, losses: Callable[[], Losses]) -> None:
        """Call after the optimiser's step if :attr:`needs` states ``second_forward``; leave it out for a skipped step.

        Args:
            losses: Computes the losses of the same batch again, with the new parameters, equal dropout masks and no
                change of running statistics. The ``counts`` given to :meth:`backward` hold for them, too.

        Raises:
            UserError: If it is no function.
        """
        if not callable(losses):
            found = type(losses).__name__
            raise UserError(f"after_step: expected a function that computes the losses again, found {found}; give "
                            "lambda: losses_of(batch)")  # fmt: skip
        self._called("after_step")

    def observe_metrics(self, levels: Mapping[str, float]) -> None:
        """Call after every evaluation if :attr:`needs` states ``metrics``.

        Args:
            levels: How good each task is, from 0 (trivial) to 1 (perfect); a task may be left out, NaN is ignored.
        """
        self._called("observe_metrics")

    def end_epoch(self) -> None:
        """Call at the end of every epoch."""
        self._called("end_epoch")

    def task_switched(self, task: int) -> None:
        """The true labels of a task were replaced by soft ones.

        The method drops the task's statistics and continues without it; the task's gradient gets the mean weight of
        the tasks that learn.
        """
        self._switch(task, soft=True)

    def task_reopened(self, task: int) -> None:
        """A task learns from its true labels again, and takes part as one that begins."""
        self._switch(task, soft=False)

    def _switch(self, task: int, *, soft: bool) -> None:
        self._take_soft_weight()
        if self.adapts:
            self.switched = self.switched.clone()
            self.switched[task] = soft
            self._any_switched = bool(self.switched.any())
        self._forget(task)

    def _forget(self, task: int) -> None:
        """Drop what is remembered of a task."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # State goes where it is sent, but keeps its type: in half precision it would be rounded, and Adam's would be 0.
        kept = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, buffer in kept.items():
            moved = self._buffers[name]
            if buffer is not None and moved is not None and moved.dtype != buffer.dtype:
                self._buffers[name] = buffer.to(moved.device)
        return self

    def _save_to_state_dict(self, *args: Any) -> None:
        self._take_soft_weight()
        super()._save_to_state_dict(*args)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        self._take_tasks(state_dict.get(f"{prefix}_extra_state"))
        for name in self.newer:
            state_dict.setdefault(prefix + name, getattr(self, name))
        # Some state takes its size from the model in the first step.
        for name, buffer in self._buffers.items():
            saved = state_dict.get(prefix + name)
            if buffer is not None and saved is not None and saved.shape != buffer.shape:
                self._buffers[name] = torch.empty_like(saved, device=buffer.device)
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._any_switched, self._latest = bool(self.switched.any()), None

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


def freed_error() -> UserError:
    """What to do about a graph that a backward pass has used."""
    return UserError(
        "losses: their graph has already been used by a backward pass; Balancer.backward replaces loss.backward(), "
        "once per step: recompute the losses, or remove the other backward call"
    )


def _read_extra(state: Tensor) -> dict[str, Any]:
    if not state.ndim:  # before the tasks were in it
        return {"steps": int(state), "tasks": []}
    return json.loads(bytes(state.tolist()))


def _written(value: Any) -> str:
    """A value as Python reads it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, float) and not -torch.inf < value < torch.inf:
        return f"float('{value}')"
    return repr(value)
