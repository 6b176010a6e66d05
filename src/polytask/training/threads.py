"""How many threads a training uses on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

#: Below this product of parameters and rows per step one thread is faster than several, also on an idle machine.
SMALL = 100_000_000


def threads_for(model: nn.Module, batch_size: int) -> int:
    """One for small networks, otherwise as many as torch has."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return 1 if parameters * batch_size < SMALL else torch.get_num_threads()


@contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Use this many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
