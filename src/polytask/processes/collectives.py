"""What several processes share: sums, averaged gradients, decisions of the first. With one process nothing is done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed


def world_size() -> int:
    """Number of processes that train jointly."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def local_rank() -> int:
    """Number of this process among those of its machine, and of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world_size() > 1 else 0


def _for_numbers() -> torch.device:
    """Where small tensors must be for the processes to exchange them."""
    return torch.device("cuda", local_rank()) if distributed.get_backend() == "nccl" else torch.device("cpu")


def rank() -> int:
    """Number of this process, 0 for the first."""
    return distributed.get_rank() if world_size() > 1 else 0


def is_first() -> bool:
    """This process writes files and takes the decisions that depend on time."""
    return rank() == 0


def wait_for_all() -> None:
    """Go on when every process has come here: files of the first are then there for all."""
    if world_size() > 1:
        distributed.barrier()


def share_from_first(tensors: Iterable[Tensor]) -> None:
    """Give every tensor the numbers that it has on the first process."""
    if world_size() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor.detach(), 0)


def numbers_of_first(values: Sequence[float]) -> list[float]:
    """``values`` of the first process, equal on every one."""
    if world_size() == 1:
        return list(values)
    shared = torch.tensor(values, dtype=torch.float64, device=_for_numbers())
    distributed.broadcast(shared, 0)
    return shared.tolist()


def gather_from_all(values: Tensor) -> list[Tensor]:
    """``values`` of every process, all of the same shape."""
    if world_size() == 1:
        return [values]
    sent = values.to(_for_numbers())
    gathered = [torch.empty_like(sent) for _ in range(world_size())]
    distributed.all_gather(gathered, sent)
    return [part.to(values.device) for part in gathered]


def sum_over_processes(values: Tensor) -> Tensor:
    """``values`` summed over all processes, equal on every one of them."""
    if world_size() > 1:
        values = values.clone()
        distributed.all_reduce(values)
    return values


def anywhere(condition: bool) -> bool:
    """The condition holds in some process, so that all go the same way."""
    if world_size() == 1:
        return condition
    return bool(sum_over_processes(torch.tensor(float(condition), device=_for_numbers())))


def is_sharded(tensor: object) -> bool:
    """Every process has a share of the tensor; told by an attribute, as importing ``DTensor`` takes a while."""
    return hasattr(tensor, "device_mesh")


def own_share(tensor: Any) -> Tensor:
    """This process's share of a tensor, or all of it."""
    return tensor.to_local() if is_sharded(tensor) else tensor


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every ``.grad`` by its mean over the processes, in one reduction.

    A process on which a parameter has no gradient (a task that is absent there) takes part with zeros, so nothing
    hangs; a parameter without gradient on every process keeps ``None``, so that its optimiser state is not touched.
    Every gradient keeps its type.
    """
    if world_size() == 1:
        return
    parameters = [p for p in parameters if p.requires_grad and not is_sharded(p)]  # shares come averaged
    if not parameters:
        return
    have = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.float32)
    have = sum_over_processes(have.to(parameters[0].device)) > 0
    used = [parameter for parameter, needed in zip(parameters, have.tolist(), strict=True) if needed]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in used] or [torch.zeros(0)])
    flat = sum_over_processes(flat) / world_size()
    for parameter, part in zip(used, flat.split([p.numel() for p in used]), strict=True):
        kept = part if parameter.is_complex() else part.real
        parameter.grad = kept.view_as(parameter).to(parameter.dtype)
