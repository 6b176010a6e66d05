"""The order in which rows of several data sets are drawn, with given shares; also a function of seed and step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..config.training import SAMPLING, TrainingSettings, sampling_problems
from ..data import Rows
from ..errors import UserError
from ..processes.collectives import rank, world_size
from .stream import BlockStream, EpochStream


def sampling_shares(sizes: Sequence[int], sampling: str | Sequence[float], temperature: float = 2.0) -> list[float]:
    """Share of every data set among the rows that are drawn.

    Args:
        sizes: Rows of each data set.
        sampling: ``proportional`` to the sizes; ``equal``; ``temperature``: proportional to ``size ** (1 / T)``;
            ``round_robin``: equal, one data set a step; or explicit ratios, one per data set.
        temperature: T; 1 is proportional, infinity is equal.

    Raises:
        UserError: If the sampling is not known or the ratios do not fit.

    Example:
        >>> sampling_shares([100, 10000], "temperature", temperature=2)
        [0.09090909090909091, 0.9090909090909091]
    """
    if not isinstance(sampling, str):
        ratios = [float(ratio) for ratio in sampling]
        if len(ratios) != len(sizes) or min(ratios) <= 0 or not math.isfinite(sum(ratios)):
            raise UserError(f"sampling: expected {len(sizes)} ratios above 0, one per data set, found {list(sampling)}")
    elif sampling not in SAMPLING:
        raise UserError(*sampling_problems(sampling))
    elif sampling == "temperature" and not temperature > 0:
        raise UserError(f"sampling_temperature must be more than 0, found {temperature}")
    else:
        power = {"proportional": 1.0, "temperature": 1 / temperature}.get(sampling, 0.0)
        ratios = [size**power for size in sizes]
    return [ratio / sum(ratios) for ratio in ratios]


class MixtureStream:
    """Endless shuffled passes over every data set, mixed with fixed shares.

    Batch sizes of a data set differ by at most one row between steps; after s steps it has given ``share * B * s``
    rows, rounded down. An epoch is as many steps as would go once over all rows.

    Args:
        source: ``[n]`` number of the data set of each row.
        batch_size: Rows per step over all processes.
        seed: The order follows from it.
        sampling: See :func:`sampling_shares`.
        temperature: See :func:`sampling_shares`.

    Example:
        >>> stream = MixtureStream(torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]), batch_size=4, seed=0, sampling="equal")
        >>> [(stream.ids(step) >= 6).sum().item() for step in range(3)]
        [2, 2, 2]
    """

    def __init__(
        self,
        source: Tensor,
        batch_size: int,
        seed: int,
        sampling: str | Sequence[float] = "proportional",
        temperature: float = 2.0,
    ) -> None:
        numbers = [int(number) for number in source.unique()]
        self.rows = [(source == number).nonzero()[:, 0] for number in numbers]
        self.shares = sampling_shares([len(rows) for rows in self.rows], sampling, temperature)
        self.in_turn = sampling == "round_robin"
        self.batch_size, self.seed = batch_size, seed
        self.steps_per_epoch = math.ceil(len(source) / batch_size)
        self._passes: dict[tuple[int, int], Tensor] = {}

    def ids(self, step: int) -> Tensor:
        """``[B]`` int64 row ids of a step, counted from 0; of this process's share where there are several."""
        if self.in_turn:
            turn, number = divmod(step, len(self.rows))
            batch = self._take(number, turn * self.batch_size, (turn + 1) * self.batch_size)
        else:
            parts = [
                self._take(number, int(share * self.batch_size * step), int(share * self.batch_size * (step + 1)))
                for number, share in enumerate(self.shares)
            ]
            batch = torch.cat(parts)
        return batch if world_size() == 1 else batch[rank() :: world_size()]

    def drawn(self, steps: int) -> list[int]:
        """Rows of every data set that the first steps draw, on all processes combined.

        Example:
            >>> MixtureStream(torch.tensor([0, 0, 0, 1]), batch_size=4, seed=0, sampling="equal").drawn(10)
            [20, 20]
        """
        if self.in_turn:
            return [self.batch_size * len(range(number, steps, len(self.rows))) for number in range(len(self.rows))]
        return [int(share * self.batch_size * steps) for share in self.shares]

    def _take(self, number: int, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop`` of the endless shuffled sequence of one data set."""
        size = len(self.rows[number])
        parts = []
        while start < stop:
            round_, within = divmod(start, size)
            length = min(stop - start, size - within)
            parts.append(self._pass(number, round_)[within : within + length])
            start += length
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long)

    def _pass(self, number: int, round_: int) -> Tensor:
        key = (number, round_)
        if key not in self._passes:
            self._passes = {old: rows for old, rows in self._passes.items() if old[0] != number or old[1] == round_ - 1}
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + 7_919 * number + round_) % 2**63)
            self._passes[key] = self.rows[number][torch.randperm(len(self.rows[number]), generator=generator)]
        return self._passes[key]


def make_stream(
    rows: Rows, drawn: Tensor | None, settings: TrainingSettings, seed: int
) -> EpochStream | MixtureStream | BlockStream:
    """The order of rows: plain epochs over one data set, a mixture of several, or windows of one in a file.

    Args:
        rows: The training rows.
        drawn: ``[n]`` ascending, which of them alone are drawn; None for all. The stream counts these.
        settings: Batch size and sampling.
        seed: The order follows from it.
    """
    batch_size, stored = settings.batch_size or 1, rows.stored
    if stored is not None:
        return BlockStream(stored.boundaries(drawn), batch_size, seed, announce=stored.groups.expect)
    if rows.source is None:
        return EpochStream(len(rows) if drawn is None else len(drawn), batch_size, seed)
    source = rows.source if drawn is None else rows.source[drawn]
    return MixtureStream(source, batch_size, seed, settings.sampling, settings.sampling_temperature)
