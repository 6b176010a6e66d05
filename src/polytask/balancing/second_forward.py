"""A second forward pass that differs from the first by nothing but the parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn


def repeatable(model: nn.Module) -> Callable[[], AbstractContextManager[None]]:
    """Call before a forward pass; within the context that the result gives, another draws the same dropout masks.

    Buffers, such as running statistics, and random states come back as they were, whatever happens within.

    Example:
        >>> drop = nn.Dropout(0.5)
        >>> again = repeatable(drop)
        >>> first = drop(torch.ones(8))
        >>> with again():
        ...     second = drop(torch.ones(8))
        >>> torch.equal(first, second)
        True
    """
    devices = sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})

    def states() -> list[torch.Tensor]:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices)]

    def restore(saved: list[torch.Tensor]) -> None:
        torch.set_rng_state(saved[0])
        for device, state in zip(devices, saved[1:], strict=True):
            torch.cuda.set_rng_state(state, device)

    before = states()

    @contextmanager
    def again() -> Iterator[None]:
        now = states()
        restore(before)
        try:
            with KeptBuffers(model):
                yield
        finally:
            restore(now)

    return again


class KeptBuffers:
    """A context, to be entered any number of times, after which buffers such as running statistics are as before."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def __enter__(self) -> None:
        self._buffers = [
            (module, name, buffer, None if buffer is None else buffer.clone())
            for module in self._model.modules()
            for name, buffer in module._buffers.items()
        ]

    def __exit__(self, *error: object) -> None:
        with torch.no_grad():
            for module, name, buffer, value in self._buffers:
                if buffer is not None and value is not None:
                    buffer.copy_(value)
                module._buffers[name] = buffer  # some modules assign new ones
