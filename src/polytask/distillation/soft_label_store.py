"""Where soft labels are kept: by row id, in memory or in a mapped file."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from ..task import Kind

#: Rows turned from mean predictions into outputs at a time.
CHUNK = 65_536
#: Largest value of half precision, with room.
HALF_LIMIT = 6e4


class SoftLabelStore:
    """Mean prediction of one or several teachers for the rows of one task.

    Every teacher gives its outputs once for every row, in any order, part by part: memory does not grow with rows
    when the store is a file. One teacher's outputs are kept as they are.

    Args:
        kind: The task's kind.
        shape: ``(n,)``, or ``(n, C)`` for a vector kind.
        teachers: How many teachers there will be.
        path: File to map; None keeps the labels in memory.
        half: Two bytes per number instead of four.

    Example:
        >>> from polytask.task import KINDS
        >>> store = SoftLabelStore(KINDS["regression"], (4,), teachers=2)
        >>> for teacher in (torch.tensor([1., 2., 3., 4.]), torch.tensor([3., 2., 1., 0.])):
        ...     for rows in (slice(0, 2), slice(2, 4)):
        ...         store.add(rows, teacher[rows])
        >>> store.outputs()
        tensor([2., 2., 2., 2.])
    """

    def __init__(
        self, kind: Kind, shape: tuple[int, ...], teachers: int = 1, path: Path | None = None, half: bool = False
    ) -> None:
        self.kind, self.teachers = kind, teachers
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._values = self._zeros(shape, half, "tmp")
        # Probabilities near 1 have no room in half precision: sums of several teachers are kept in full.
        self._sums = self._zeros(shape, False, "sums.tmp") if half and teachers > 1 else self._values

    def _zeros(self, shape: tuple[int, ...], half: bool, ending: str) -> Tensor:
        if self._path is None:
            return torch.zeros(shape, dtype=torch.float16 if half else torch.float32)
        temporary = self._path.with_name(f".{self._path.name}.{ending}")
        temporary.unlink(missing_ok=True)
        return map_labels(temporary, shape, half)

    def add(self, rows: Tensor | slice, outputs: Tensor) -> None:
        """One teacher's ``outputs`` for some rows."""
        outputs = outputs.float().cpu()
        if self.teachers > 1:
            self._sums[rows] += self.kind.predict(outputs) / self.teachers
        else:
            self._values[rows] = self._fitting(outputs)

    def outputs(self) -> Tensor:
        """The labels, once every teacher has given all rows; a file is whole from now on."""
        if self.teachers > 1:
            for start in range(0, len(self._values), CHUNK):
                rows = slice(start, start + CHUNK)
                self._values[rows] = self._fitting(self.kind.outputs_of(self._sums[rows]))
        if self._path is not None:
            self._path.with_name(f".{self._path.name}.tmp").replace(self._path)
            self._path.with_name(f".{self._path.name}.sums.tmp").unlink(missing_ok=True)
        return self._values

    def _fitting(self, outputs: Tensor) -> Tensor:
        if self._values.dtype == torch.float16:
            outputs = outputs.clamp(-HALF_LIMIT, HALF_LIMIT)
        return outputs.to(self._values.dtype)


def map_labels(path: Path, shape: tuple[int, ...], half: bool = False) -> Tensor:
    """A file as a tensor that is read and written in place; made with zeros if it is not there."""
    dtype = torch.float16 if half else torch.float32
    return torch.from_file(str(path), shared=True, size=math.prod(shape), dtype=dtype).view(shape)
