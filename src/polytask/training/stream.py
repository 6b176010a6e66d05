"""The order in which rows are drawn: a function of seed and step, so that it needs no state to resume."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import UserError
from ..processes.collectives import rank, world_size

#: Rows among which those of a file are shuffled.
WINDOW = 2**17


class EpochStream:
    """Shuffled passes over the rows in batches of nearly equal size (no tiny last batch).

    Args:
        rows: Number of rows.
        batch_size: Largest number of rows per step, over all processes.
        seed: The order of every epoch follows from it.

    Example:
        >>> stream = EpochStream(rows=5, batch_size=2, seed=0)
        >>> stream.steps_per_epoch, sorted(torch.cat([stream.ids(step) for step in range(3)]).tolist())
        (3, [0, 1, 2, 3, 4])
    """

    def __init__(self, rows: int, batch_size: int, seed: int) -> None:
        self.rows, self.seed = rows, seed
        self.steps_per_epoch = math.ceil(rows / batch_size)
        self._epoch = -1
        self._batches: tuple[Tensor, ...] = ()

    def ids(self, step: int) -> Tensor:
        """``[B]`` int64 row ids of a step, counted from 0; of this process's share where there are several."""
        epoch, within = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
            self._batches = torch.tensor_split(torch.randperm(self.rows, generator=generator), self.steps_per_epoch)
            self._epoch = epoch
        batch = self._batches[within]
        return batch if world_size() == 1 else batch[rank() :: world_size()]


class _Plan(NamedTuple):
    """The blocks of each window, as (block, start, stop), and the rows up to the end of each window."""

    windows: list[list[tuple[int, int, int]]]
    ends: list[int]


class BlockStream:
    """Passes over rows that lie in blocks: blocks in random order, and rows shuffled within windows of some blocks.

    So a step needs few blocks, and what it needs next is known. Of several processes each has separate blocks, and
    its share of every batch comes from these; their number is part of the order.

    Args:
        boundaries: ``[blocks + 1]``: rows of block b are from [b] to [b + 1].
        batch_size: Largest number of rows per step, over all processes (one more for each where they do not divide).
        seed: The order of every epoch follows from it.
        window: Rows of a window, or more, as blocks are whole.
        announce: Is told the blocks of the last, the present and the next window, in the order of their use.

    Raises:
        UserError: If there are fewer blocks than processes.

    Example:
        >>> stream = BlockStream(torch.tensor([0, 2, 4, 6]), batch_size=2, seed=0, window=2)
        >>> [sorted(stream.ids(step).tolist()) for step in range(3)]
        [[4, 5], [0, 1], [2, 3]]
    """

    def __init__(
        self,
        boundaries: Tensor,
        batch_size: int,
        seed: int,
        window: int = WINDOW,
        announce: Callable[[Sequence[int]], None] = lambda blocks: None,
    ) -> None:
        ranges = enumerate(pairwise(boundaries.tolist()))
        self.blocks = [(block, start, stop) for block, (start, stop) in ranges if stop > start]
        if len(self.blocks) < world_size():
            raise UserError(
                f"the table has {len(self.blocks)} row groups for {world_size()} processes, one or more for each; "
                "write it again with smaller row groups"
            )
        self.rows, self.seed, self.window, self.announce = int(boundaries[-1]), seed, window, announce
        self.steps_per_epoch = math.ceil(self.rows / batch_size)
        self._plans: dict[int, _Plan] = {}
        self._shuffled: dict[tuple[int, int], Tensor] = {}

    def ids(self, step: int) -> Tensor:
        """``[B]`` int64 row ids of a step, counted from 0; of this process's share where there are several."""
        epoch, within = divmod(step, self.steps_per_epoch)
        ends = self._plan(epoch).ends
        first, last = (ends[-1] * at // self.steps_per_epoch for at in (within, within + 1))
        parts = [torch.arange(0)]  # of a process with few blocks a step may have none
        for number in range(bisect_right(ends, first), bisect_left(ends, last) + 1):
            begin = ends[number - 1] if number else 0
            parts.append(self._rows(epoch, number)[max(first - begin, 0) : last - begin])
        return torch.cat(parts)

    def _plan(self, epoch: int) -> _Plan:
        """This process's blocks in the order of an epoch, assembled to windows."""
        if epoch not in self._plans:
            order = torch.randperm(len(self.blocks), generator=self._generator(epoch, 0)).tolist()
            windows: list[list[tuple[int, int, int]]] = []
            size = self.window
            for block in [self.blocks[at] for at in order[rank() :: world_size()]]:
                if size >= self.window:
                    windows.append([])
                    size = 0
                windows[-1].append(block)
                size += block[2] - block[1]
            sizes = (sum(stop - start for _, start, stop in window) for window in windows)
            kept = {old: plan for old, plan in self._plans.items() if abs(old - epoch) == 1}
            self._plans = kept | {epoch: _Plan(windows, list(accumulate(sizes)))}
        return self._plans[epoch]

    def _rows(self, epoch: int, number: int) -> Tensor:
        """The shuffled rows of a window; when it is entered, its blocks and those of the next are announced."""
        if (epoch, number) not in self._shuffled:
            windows = self._plan(epoch).windows
            rows = torch.cat([torch.arange(start, stop) for _, start, stop in windows[number]])
            order = torch.randperm(len(rows), generator=self._generator(epoch, 1 + number * world_size() + rank()))
            kept = {key: old for key, old in self._shuffled.items() if key == (epoch, number - 1)}
            self._shuffled = {**kept, (epoch, number): rows[order]}
            around = windows[max(number - 1, 0) : number + 2]
            if number + 1 == len(windows):
                around = [*around, self._plan(epoch + 1).windows[0]]
            self.announce(list(dict.fromkeys(block for window in around for block, _, _ in window)))
        return self._shuffled[epoch, number]

    def _generator(self, epoch: int, number: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.seed * 1_000_003 + epoch * 7_919 + number) % 2**63)
