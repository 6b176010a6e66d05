"""Inputs that stay in a Parquet file: read and transformed row group by row group, a few of which are held."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import torch
from torch import Tensor

from .items import Items
from .sparse import SparseRows

#: Inputs of some rows by name, see :meth:`polytask.data.Schema.encode_inputs`.
Encoded = dict[str, Any]
#: Rows that are decoded at a time; bounds what is needed beside the result.
PIECE = 65_536


class RowGroups:
    """The row groups of a Parquet file as encoded inputs, read when they are wanted, or ahead by a thread.

    Args:
        path: The file.
        columns: What is read of it.
        encode: From a table of some rows to inputs by name.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "table.parquet"
        >>> pa.parquet.write_table(pa.table({"a": [1., 2., 3.]}), path, row_group_size=2)
        >>> groups = RowGroups(path, ["a"], lambda t: {"a": torch.tensor(t["a"].to_pylist())})
        >>> groups.offsets.tolist(), groups.take("a", torch.tensor([2, 0]))
        ([0, 2, 3], tensor([3., 1.]))
    """

    def __init__(self, path: Path, columns: Sequence[str], encode: Callable[[pa.Table], Encoded]) -> None:
        self.path, self.columns, self.encode = path, list(columns), encode
        metadata = pa.parquet.read_metadata(path)
        sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self.offsets = torch.tensor([0, *sizes]).cumsum(0)
        self._held: dict[int, Encoded] = {}
        self._expected: set[int] = set()
        self._ahead: dict[int, Future[Encoded]] = {}
        self._reader: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_held": {}, "_expected": set(), "_ahead": {}, "_reader": None}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file's footer, which holds sizes, positions and statistics of all columns."""
        return hashlib.sha256(repr(pa.parquet.read_metadata(self.path).to_dict()).encode()).hexdigest()

    def take(self, name: str, rows: Tensor) -> Tensor | SparseRows | Items:
        """One input for ``rows``, ``[B]`` int64 in any order."""
        groups = torch.bucketize(rows, self.offsets[1:], right=True)
        order = groups.argsort(stable=True)
        numbers, counts = groups.unique(return_counts=True)
        parts = [
            pick(self.group(number)[name], taken - self.offsets[number])
            for number, taken in zip(numbers.tolist(), rows[order].split(counts.tolist()), strict=True)
        ]
        return pick(together(parts), order.argsort())

    def group(self, number: int) -> Encoded:
        """The inputs of a row group; it is kept until another is asked for, or as long as it is expected."""
        if number not in self._held:
            waiting = self._ahead.pop(number, None)
            found = self._read(number) if waiting is None else waiting.result()
            self._held = {**self._kept(), number: found}
        return self._held[number]

    def expect(self, numbers: Sequence[int]) -> None:
        """From now on keep these row groups and no others; a thread reads them, in this order."""
        self._reader = self._reader or ThreadPoolExecutor(1, "row-groups")
        self._expected = set(numbers)
        self._held = self._kept()
        for number in set(self._ahead) - self._expected:
            self._ahead.pop(number).cancel()
        for number in numbers:
            if number not in self._held and number not in self._ahead:
                self._ahead[number] = self._reader.submit(self._read, number)

    def _read(self, number: int) -> Encoded:
        with pa.parquet.ParquetFile(self.path) as file:  # a separate file: threads cannot share one
            pieces = file.iter_batches(PIECE, row_groups=[number], columns=self.columns, use_threads=False)
            parts = [self.encode(pa.Table.from_batches([piece])) for piece in pieces]
        return {name: together([part[name] for part in parts]) for name in parts[0]}

    def _kept(self) -> dict[int, Encoded]:
        return {number: inputs for number, inputs in self._held.items() if number in self._expected}


class FileInput(ABC):
    """An input that is read from files when a batch wants it, indexable by row like a tensor."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, ids: Tensor | slice) -> Any:
        """The values of some rows."""

    @abstractmethod
    def only(self, ids: Tensor) -> FileInput:
        """Some of the rows, still in the files."""

    @abstractmethod
    def to(self, device: torch.device | str) -> FileInput:
        """The same, with values on another device."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """What it is read from; its rows are not in it."""


@dataclass(frozen=True)
class StoredInput(FileInput):
    """One input of rows in a Parquet file.

    Attributes:
        groups: Where it is.
        name: Which of the inputs.
        rows: ``[n]`` ascending rows of the file, None for all.
        device: Where batches go.
    """

    groups: RowGroups
    name: str
    rows: Tensor | None = None
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return len(self.groups) if self.rows is None else len(self.rows)

    def __getitem__(self, ids: Tensor | slice) -> Tensor | SparseRows | Items:
        return self.groups.take(self.name, self._in_file(ids)).to(self.device)

    def _in_file(self, ids: Tensor | slice) -> Tensor:
        if isinstance(ids, slice):
            ids = torch.arange(*ids.indices(len(self)))
        return ids.cpu() if self.rows is None else self.rows[ids.cpu()].long()

    @property
    def fingerprint(self) -> str:
        return f"{self.groups.fingerprint} {self.name}"

    def only(self, ids: Tensor) -> StoredInput:
        return replace(self, rows=self._in_file(ids).int() if len(self.groups) < 2**31 else self._in_file(ids))

    def to(self, device: torch.device | str) -> StoredInput:
        return replace(self, device=device)

    def boundaries(self, ids: Tensor | None = None) -> Tensor:
        """``[groups + 1]``: the rows, or those of ``ids`` (ascending), of row group g are from [g] to [g + 1]."""
        rows = self.rows if ids is None else self._in_file(ids)
        if rows is None:
            return self.groups.offsets
        return torch.searchsorted(rows, self.groups.offsets.to(rows.dtype))


def pick(leaf: Any, ids: Tensor) -> Any:
    """Some rows; for tensors several times as fast as an index expression."""
    return leaf.index_select(0, ids) if isinstance(leaf, Tensor) else leaf[ids]


def together(parts: Sequence[Any]) -> Any:
    """Rows one after the other."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], SparseRows | Items):
        return type(parts[0]).cat(parts)
    return torch.cat(list(parts))


def load(groups: RowGroups, parts: Sequence[Tensor]) -> list[Encoded]:
    """The inputs of several sets of rows, each ``[n]`` ascending, in one pass over the file."""
    found: list[list[Encoded]] = [[] for _ in parts]
    for number in range(len(groups.offsets) - 1 if parts else 0):
        start, stop = groups.offsets[number], groups.offsets[number + 1]
        inputs = groups.group(number)
        for rows, pieces in zip(parts, found, strict=True):
            own = rows[(rows >= start) & (rows < stop)] - start
            pieces.append({name: pick(values, own) for name, values in inputs.items()})
    return [{name: together([piece[name] for piece in pieces]) for name in pieces[0]} for pieces in found]
