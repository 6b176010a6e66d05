"""Random numbers that are equal on every process and in a resumed training.

They are a function of a seed and of the number of the step, so that the step is all there is to save.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor

from ..processes.collectives import gather_from_all, rank, world_size


def step_seed(seed: int, step: int) -> int:
    """The seed of one step, 32 bits.

    Example:
        >>> step_seed(0, 1) == step_seed(0, 1) != step_seed(0, 2)
        True
    """
    return zlib.crc32(f"{seed}:{step}".encode())


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Draw from PyTorch's global generators of the CPU and of ``device`` as after seeding them; restore them later."""
    device = torch.device(device)
    generators = [torch.default_generator]
    if device.type == "cuda":
        generators.append(torch.cuda.default_generators[device.index or 0])
    states = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def kept_randomness(device: torch.device) -> AbstractContextManager[None]:
    """A context after which PyTorch's global generators are as before, those of all GPUs if ``device`` is one."""
    on_gpu = device.type == "cuda" or torch.cuda.is_initialized()
    return torch.random.fork_rng(range(torch.cuda.device_count()) if on_gpu else [])


def random_rows(like: Tensor) -> Tensor:
    """Random numbers in [0, 1) for this process's rows of a batch that several processes share out row by row.

    All draw for the whole batch, from generators that are equal, so that every row has the numbers that it would have
    in one process.

    Args:
        like: ``[B, ...]`` a tensor of the shape, type and device wanted, for the rows of this process.
    """
    last = rank() + (len(like) - 1) * world_size() if len(like) else -1
    rows = 1 + max(int(found) for found in gather_from_all(torch.tensor(last)))
    drawn = torch.rand(rows, *like.shape[1:], dtype=like.dtype, device=like.device)
    return drawn[rank() :: world_size()][: len(like)]


def rng_state() -> Tensor:
    """State of torch's global generator on the CPU and, where it is in use, on the GPU."""
    parts = [torch.get_rng_state()]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        parts.append(torch.cuda.get_rng_state())
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)


def set_rng_state(state: Tensor) -> None:
    """Restore what :func:`rng_state` returned."""
    torch.set_rng_state(state[0])
    if len(state) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state(state[1][: len(torch.cuda.get_rng_state())])
