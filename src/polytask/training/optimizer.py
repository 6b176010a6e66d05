"""The optimiser, and how an absent task's own parameters are left alone by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import unwrap
from typing import Any, ClassVar

import torch
from torch import Tensor, nn, optim
from torch.optim import Optimizer

from ..config.training import TrainingSettings
from ..models import TaskPart
from ..processes.collectives import is_sharded


class _Eager(Optimizer):
    """Without what PyTorch wraps around the methods of its optimisers.

    Wrappers for ``torch.compile`` load the compiler at the first call, which takes longer than a short training; those
    for hooks and the profiler are a good part of the step of a small network, and come with the first hook.
    """

    #: The one of PyTorch's optimisers that takes the same steps.
    steps_as: ClassVar[Any]

    add_param_group = unwrap(Optimizer.add_param_group)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        if not set_to_none:
            unwrap(Optimizer.zero_grad)(self, set_to_none)
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _patch_step_function(self) -> None:
        self._zero_grad_profile_name = f"Optimizer.zero_grad#{type(self).__name__}.zero_grad"

    def register_step_pre_hook(self, hook: Any) -> Any:
        super()._patch_step_function()
        return super().register_step_pre_hook(hook)

    def register_step_post_hook(self, hook: Any) -> Any:
        super()._patch_step_function()
        return super().register_step_post_hook(hook)


class SGD(_Eager, optim.SGD):
    """:class:`torch.optim.SGD`."""

    steps_as: ClassVar[Any] = optim.SGD
    step = torch.no_grad()(unwrap(optim.SGD.step))


class Adam(_Eager, optim.Adam):
    """:class:`torch.optim.Adam` with its fused kernel, called at once where all parameters are of one kind."""

    steps_as: ClassVar[Any] = optim.Adam
    _step = torch.no_grad()(unwrap(optim.Adam.step))

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        if closure is not None or hasattr(self, "found_inf") or not all(map(_is_plain, self.param_groups)):
            return self._step(closure)
        for group in self.param_groups:
            params, grads, means, squares, steps = lists = [], [], [], [], []  # type: ignore[var-annotated]
            self._init_group(group, *lists[:4], [], steps)
            if params:
                torch._foreach_add_(steps, 1)
                kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
                beta1, beta2 = group["betas"]
                options = {key: group[key] for key in ("lr", "weight_decay", "eps", "amsgrad", "maximize")}
                kernel(params, grads, means, squares, [], steps, beta1=beta1, beta2=beta2, **options)
        return None


class AdamW(Adam, optim.AdamW):
    """:class:`torch.optim.AdamW` without the wrapper for ``torch.compile``."""

    steps_as: ClassVar[Any] = optim.AdamW


def _is_plain(group: dict[str, Any]) -> bool:
    """Whether one call of a fused kernel takes all parameters of a group."""
    unusual = group["amsgrad"] or group["differentiable"] or not group["fused"]
    return not unusual and len({parameter.dtype for parameter in group["params"]}) == 1


def make_optimizer(
    parameters: Iterable[nn.Parameter] | Sequence[dict[str, Any]],
    settings: TrainingSettings,
    factors: Mapping[nn.Parameter, float] | None = None,
) -> Optimizer:
    """The optimiser of ``settings``, with fused kernels.

    Args:
        parameters: Those that train, and others; or groups of them with separate settings.
        settings: Method, learning rate, decay.
        factors: Factors of the learning rate; 1 for parameters that are not in it. Without effect on groups.
    """
    given: list[Any] = list(parameters)
    if not given or not isinstance(given[0], dict):
        trained = [parameter for parameter in given if parameter.requires_grad]
        given = _groups(trained, settings, factors or {})
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "sgd":  # whose fused kernel takes no shares
        shares = any(is_sharded(parameter) for group in given for parameter in group["params"])
        sgd = SGD(given, lr=rate, momentum=settings.momentum, weight_decay=decay, fused=not shares)
        if settings.momentum:
            sgd.register_step_pre_hook(_begin_momentum)
        return sgd
    method = AdamW if settings.optimizer == "adamw" else Adam
    return method(given, lr=rate, weight_decay=decay, fused=True)


def _begin_momentum(optimizer: Optimizer, *_: Any) -> None:
    """Zeros where a parameter has its first gradient later than others, such as that of an absent task: the fused
    kernel takes momentum of all parameters or of none."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state[parameter] if parameter.grad is not None else None
            if state is not None and state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)


def _groups(
    trained: list[nn.Parameter], settings: TrainingSettings, factors: Mapping[nn.Parameter, float]
) -> list[dict[str, Any]]:
    """Parameters of equal learning rate together, in the order in which these appear, shares apart from wholes."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for parameter in trained:
        groups.setdefault((factors.get(parameter, 1.0), is_sharded(parameter)), []).append(parameter)
    return [{"params": members, "lr": factor * settings.learning_rate} for (factor, _), members in groups.items()]


@contextmanager
def absent_tasks_kept(optimizer: Optimizer, parts: Sequence[TaskPart]) -> Iterator[None]:
    """Keep ``parts`` of parameters, and the optimiser's state for them, as they are through a step.

    Parameters without a gradient are skipped by an optimiser; rows of one tensor for all tasks would drift with
    momentum and decay.

    Args:
        optimizer: The optimiser.
        parts: What belongs to absent tasks alone.
    """
    kept = [
        (tensor, rows, tensor[rows].clone())
        for parameter, rows in parts
        for tensor in (parameter.data, *_state(optimizer, parameter))
    ]
    first = [(parameter, rows) for parameter, rows in parts if not optimizer.state.get(parameter)]
    yield
    with torch.no_grad():
        for tensor, rows, values in kept:
            tensor[rows] = values
        for parameter, rows in first:  # what this step has made starts at zero
            for value in _state(optimizer, parameter):
                value[rows] = 0


def _state(optimizer: Optimizer, parameter: Tensor) -> list[Tensor]:
    """What the optimiser holds for every number of a parameter."""
    values = optimizer.state.get(parameter, {}).values()
    return [value for value in values if isinstance(value, Tensor) and value.shape == parameter.shape]
