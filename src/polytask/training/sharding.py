"""Fully sharded data parallelism: every process holds a share of the encoder's parameters and of the optimiser's state.

A stage of the encoder is gathered while it works, and let go. ``state_dict()`` of a sharded network, and of its
optimiser, is that of the whole one on every process (so all have to call it), and loads such a one: snapshots and
checkpoints know nothing of shares.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..balancing import Balancer
from ..config.training import TrainingSettings
from ..errors import raise_all
from ..models import MultiTaskModel
from ..processes.collectives import is_sharded, own_share, sum_over_processes, world_size
from .callback import Callback


def check_sharding(
    settings: TrainingSettings, model: MultiTaskModel, balancer: Balancer, callbacks: Sequence[Callback]
) -> None:
    """Raise all reasons for which a network cannot be trained in shares."""
    problems = []
    if world_size() == 1:
        problems.append("there is only one process")
    if balancer.needs.gradients != "none":
        problems.append(f"balancer {balancer.name!r} takes gradients per task, and no process has all parameters")
    problems += [f"{callback.name} needs all parameters" for callback in callbacks if callback.whole_parameters]
    if model.sharing != "hard":
        problems.append(f"sharing {model.sharing!r} has parts that are not called as modules")
    if settings.precision == "16":
        problems.append("gradients in half precision are scaled for each process separately; use precision bf16")
    ways = {"accumulate": settings.accumulate > 1, "compile": settings.compile}
    problems += [f"{key} is not made for it" for key, wanted in ways.items() if wanted]
    raise_all([f"strategy fsdp: {problem}; use strategy ddp, or another choice there" for problem in problems])


def shard(model: MultiTaskModel) -> MultiTaskModel:
    """A copy of a network whose encoder is sharded; its heads, which are small, are whole on every process."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    sharded = copy.deepcopy(model)
    mesh = init_device_mesh(next(model.parameters()).device.type, (world_size(),))
    for part in [*_blocks(sharded.encoder), sharded.encoder]:
        fully_shard(part, mesh=mesh)
    sharded.register_state_dict_post_hook(_gather)
    sharded.register_load_state_dict_pre_hook(_scatter)
    return sharded


def _blocks(encoder: nn.Module) -> Iterator[nn.Module]:
    """Members of lists and sequences of modules, the innermost first: they are gathered one after the other."""
    lists = [part for part in encoder.modules() if isinstance(part, nn.Sequential | nn.ModuleList)]
    for members in reversed(lists):
        yield from (m for m in members if type(m).forward is not nn.Module.forward and list(m.parameters()))


def _gather(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Put whole parameters instead of shares."""
    state |= {name: whole(value) for name, value in state.items()}


def _scatter(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Put shares instead of whole parameters."""
    state |= {name: _share_like(value, state[name]) for name, value in module.named_parameters() if name in state}


def whole(value: Any) -> Any:
    """A sharded tensor assembled, on every process; anything else as it is."""
    return value.full_tensor() if is_sharded(value) else value


def _share_like(parameter: Tensor, value: Any) -> Any:
    """A whole tensor cut as a parameter is; anything else as it is."""
    if not is_sharded(parameter) or is_sharded(value) or getattr(value, "shape", None) != parameter.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)  # type: ignore[attr-defined]


def whole_optimizer_state(optimizer: Optimizer) -> None:
    """Let ``optimizer.state_dict()`` give whole tensors, and ``load_state_dict`` take them."""

    def gather(optimizer: Optimizer, state: dict[str, Any]) -> None:
        state["state"] = {  # new ones: those in `state` are the optimiser's own, which must stay shares
            number: {name: whole(value) for name, value in values.items()} for number, values in state["state"].items()
        }

    def scatter(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        shares = {
            number: {name: _share_like(parameters[number], value) for name, value in values.items()}
            for number, values in state["state"].items()
        }
        return {**state, "state": shares}

    optimizer.register_state_dict_post_hook(gather)
    optimizer.register_load_state_dict_pre_hook(scatter)


class WholeNetwork:
    """The network that the user has given, without the memory of its parameters while shares of them train."""

    def __init__(self, model: MultiTaskModel) -> None:
        self._model = model
        self._shapes = [parameter.shape for parameter in model.parameters()]
        for parameter in model.parameters():
            parameter.data = parameter.new_empty(0)

    def copied(self, state: dict[str, Tensor]) -> MultiTaskModel:
        """A copy with given parameters."""
        return self._filled(copy.deepcopy(self._model), state)

    def back(self, state: dict[str, Tensor]) -> MultiTaskModel:
        """The network itself with given parameters."""
        return self._filled(self._model, state)

    def _filled(self, model: MultiTaskModel, state: dict[str, Tensor]) -> MultiTaskModel:
        for parameter, shape in zip(model.parameters(), self._shapes, strict=True):
            parameter.data = parameter.new_empty(shape)
        model.load_state_dict(state)
        return model


def clip_gradients(parameters: Iterable[Tensor], most: float) -> None:
    """:func:`torch.nn.utils.clip_grad_norm_` for parameters of which some are sharded."""
    found = [(is_sharded(p), own_share(p.grad)) for p in parameters if p.grad is not None]
    squares = [torch.stack([g.square().sum() for sharded, g in found if sharded is kind] or [torch.zeros(())]).sum()
               for kind in (True, False)]  # fmt: skip
    norm = (sum_over_processes(squares[0]) + squares[1]).sqrt()
    factor = (most / (norm + 1e-6)).clamp_max(1.0)
    for _, gradient in found:
        gradient.mul_(factor)
