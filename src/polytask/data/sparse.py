"""Sparse feature rows (hashed text) as plain tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class SparseRows:
    """Rows of a sparse matrix in compressed form, indexable by row like a tensor.

    Attributes:
        offsets: ``[n + 1]`` int64, where each row starts in ``indices`` and ``values``.
        indices: ``[nnz]`` int32 or int64, column numbers below ``width``.
        values: ``[nnz]`` float32.
        width: Number of columns.

    Example:
        >>> rows = SparseRows(torch.tensor([0, 2, 2, 3]), torch.tensor([0, 3, 1]), torch.tensor([1., 2., 5.]), 4)
        >>> rows[torch.tensor([2, 0])].indices
        tensor([1, 0, 3])
        >>> len(rows)
        3
    """

    offsets: Tensor
    indices: Tensor
    values: Tensor
    width: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: Tensor | slice) -> SparseRows:
        if isinstance(rows, slice):
            rows = torch.arange(*rows.indices(len(self)), device=self.offsets.device)
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        within = torch.arange(int(offsets[-1]), device=offsets.device) - offsets[:-1].repeat_interleave(lengths)
        take = starts.repeat_interleave(lengths) + within
        return SparseRows(offsets, self.indices[take], self.values[take], self.width)

    @classmethod
    def cat(cls, parts: Sequence[SparseRows]) -> SparseRows:
        """The rows of all parts, one after the other."""
        lengths = torch.cat([part.offsets.diff() for part in parts])
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        indices, values = (torch.cat([getattr(part, name) for part in parts]) for name in ("indices", "values"))
        return cls(offsets, indices, values, parts[0].width)

    def to(self, device: torch.device | str) -> SparseRows:
        return SparseRows(self.offsets.to(device), self.indices.to(device), self.values.to(device), self.width)

    def scipy(self) -> Any:
        """The same rows as a ``csr_matrix`` of SciPy, which shares the memory."""
        from scipy.sparse import csr_matrix

        parts = (self.values.numpy(), self.indices.numpy(), self.offsets.numpy())
        return csr_matrix(parts, (len(self), self.width))

    def dense(self) -> Tensor:
        """``[n, width]`` float32."""
        lengths = self.offsets[1:] - self.offsets[:-1]
        row = torch.arange(len(self), device=self.offsets.device).repeat_interleave(lengths)
        out = self.values.new_zeros(len(self), self.width)
        return out.index_put((row, self.indices.long()), self.values, accumulate=True)
