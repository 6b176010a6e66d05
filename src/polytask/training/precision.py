"""Where a training computes, and with which numbers."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import UserError
from ..processes.collectives import local_rank


def chosen_device(name: str) -> torch.device:
    """The device of this process: of several GPUs its own.

    Args:
        name: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.

    Raises:
        UserError: If a GPU is asked for and there is none.

    Example:
        >>> chosen_device("cpu")
        device(type='cpu')
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError("device: this machine has no GPU that PyTorch can use, found 'cuda'; use 'auto' or 'cpu'")
    device = torch.device("cuda", local_rank())
    torch.cuda.set_device(device)
    return device


class Precision:
    """Numbers of the forward pass; in half precision gradients are scaled, so that small ones do not vanish.

    Args:
        name: ``32``, ``bf16`` or ``16``. A CPU does not compute in half precision; it takes ``bf16`` in its place.
        device: Where the training computes.

    Example:
        >>> precision = Precision("bf16", torch.device("cpu"))
        >>> with precision.autocast():
        ...     torch.nn.Linear(2, 1)(torch.ones(1, 2)).dtype
        torch.bfloat16
    """

    def __init__(self, name: str, device: torch.device) -> None:
        half = torch.float16 if device.type == "cuda" else torch.bfloat16
        self._type = device.type
        self._numbers = {"32": None, "bf16": torch.bfloat16, "16": half}[name]
        self._scaler = torch.amp.GradScaler(device.type) if self._numbers is torch.float16 else None

    def autocast(self) -> AbstractContextManager[Any]:
        """Operations in the block choose their own precision."""
        return nullcontext() if self._numbers is None else torch.autocast(self._type, dtype=self._numbers)

    @property
    def scale(self) -> float:
        """Factor of all gradients between backward pass and optimiser."""
        return 1.0 if self._scaler is None else self._scaler.get_scale()

    def backward(self, total: Tensor, retain_graph: bool = False) -> None:
        """Fill ``.grad``, times :attr:`scale`."""
        (total if self._scaler is None else self._scaler.scale(total)).backward(retain_graph=retain_graph)

    def clip(self, parameters: Iterable[Tensor], optimizer: Optimizer, most: float) -> None:
        """Bound the norm of all gradients together."""
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(parameters, most)

    def step(self, optimizer: Optimizer) -> None:
        """The optimiser's step; it is left out where scaled gradients overflow."""
        if self._scaler is None:
            optimizer.step()
        else:
            self._scaler.step(optimizer)
            self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """The scale and its history."""
        return {} if self._scaler is None else self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        if self._scaler is not None:
            self._scaler.load_state_dict(state)
