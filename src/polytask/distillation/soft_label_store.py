"""Where soft labels are kept: by row id, the tasks of one kind side by side, in memory or in a mapped file."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..files import reserve
from ..task import Kind

#: Rows turned from several teachers' outputs into labels at a time.
CHUNK = 65_536
#: Largest value of half precision, with room.
HALF_LIMIT = 6e4


class SoftLabelStore:
    """Mean predictions of teachers for the rows of tasks of one kind, one column per task.

    Side by side they are found by one look-up for all tasks; memory does not grow with rows when the store is a file.

    Args:
        kind: The tasks' kind.
        shape: ``(n, k)`` for n rows and k tasks, ``(n, k, C)`` for a vector kind.
        path: File to map, made with zeros if it is not there; None keeps the labels in memory.
        half: Two bytes per number instead of four.
        device: Where labels in memory are.

    Attributes:
        values: The labels as outputs, of the shape asked for.

    Example:
        >>> from polytask.task import KINDS
        >>> store = SoftLabelStore(KINDS["regression"], (4, 2))
        >>> store.fill(1, [torch.tensor([1., 2., 3., 4.]), torch.tensor([3., 2., 1., 0.])])
        >>> store.values
        tensor([[0., 2.],
                [0., 2.],
                [0., 2.],
                [0., 2.]])
    """

    def __init__(
        self,
        kind: Kind,
        shape: tuple[int, ...],
        path: Path | None = None,
        half: bool = False,
        device: torch.device | str | None = None,
    ) -> None:
        self.kind = kind
        self.values = map_labels(path, shape, half) if path else _zeros(shape, half, device)

    def fill(self, column: int, teachers: Sequence[Tensor]) -> None:
        """The mean prediction of ``teachers`` becomes the label of a task; one teacher's outputs are kept as they are.

        Args:
            column: The task's.
            teachers: Outputs of every teacher for all rows, ``[n]`` or ``[n, C]``, in memory or mapped.
        """
        for start in range(0, len(self.values), CHUNK):
            rows = slice(start, start + CHUNK)
            outputs = self.kind.average([teacher[rows].float() for teacher in teachers])
            if self.values.dtype == torch.float16:
                outputs = outputs.clamp(-HALF_LIMIT, HALF_LIMIT)
            self.values[rows, column] = outputs.to(self.values.device, self.values.dtype)
            for mapped in (*teachers, self.values):
                let_go(mapped)

    def digest(self, column: int) -> str:
        """SHA-256 of a task's labels, as hexadecimal digits."""
        digest = hashlib.sha256()
        for start in range(0, len(self.values), CHUNK):
            part = self.values[start : start + CHUNK, column].contiguous().cpu()
            digest.update(part.view(-1).view(torch.uint8).numpy().data)
            let_go(self.values)
        return digest.hexdigest()


def map_labels(path: Path, shape: tuple[int, ...], half: bool = False) -> Tensor:
    """A file as a tensor that is read and written in place; made with zeros if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = math.prod(shape) * _dtype(half).itemsize
    if not path.exists():
        reserve(path, size)
    elif path.stat().st_size < size:
        os.truncate(path, size)  # what is missing is found by its digest
    with path.open("r+b") as file:
        content = mmap.mmap(file.fileno(), 0)
    labels = torch.frombuffer(content, dtype=_dtype(half)).view(shape)
    # The tensor keeps the mapping alive but does not give it back, and let_go needs it.
    labels.content = content  # type: ignore[attr-defined]
    return labels


def let_go(labels: Tensor) -> None:
    """Give back the memory in which a mapped file was read and written; what was written stays.

    Otherwise one pass over a large file leaves all of it resident. Nothing is done for labels in memory.
    """
    content = getattr(labels, "content", None)
    if content is not None and hasattr(mmap, "MADV_DONTNEED"):
        content.madvise(mmap.MADV_DONTNEED)


def _zeros(shape: tuple[int, ...], half: bool, device: torch.device | str | None) -> Tensor:
    return torch.zeros(shape, dtype=_dtype(half), device=device)


def _dtype(half: bool) -> torch.dtype:
    return torch.float16 if half else torch.float32
