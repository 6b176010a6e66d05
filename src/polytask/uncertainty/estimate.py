"""A number that was measured on some rows, with its sampling error."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..task import Metric

#: Rows are counted together in this many blocks: a fixed amount of memory, and a standard error known within 5 %.
BLOCKS = 256


@dataclass(frozen=True)
class Estimate:
    """A value with what blocks of rows contribute to it.

    Estimates from the same rows may be added, subtracted and multiplied by numbers: as both hold what the same blocks
    contribute, the error of a difference is that of the *paired* difference.

    Attributes:
        value: The number.
        blocks: ``[BLOCKS]`` float64, the sums of the influences of the rows of each block over the number of rows.
        counted: What the error rests on, such as the rows of the rarer class; its degrees of freedom are one less.

    Example:
        >>> from polytask.task import METRICS
        >>> noise, y = torch.randn(400, generator=torch.Generator().manual_seed(0)), torch.tensor([0., 1.]).repeat(200)
        >>> good, better = (estimate(METRICS["roc_auc"], y + scale * noise, y) for scale in (1.2, 1.0))
        >>> round(good.value, 2), round(good.error, 3)
        (0.71, 0.026)
        >>> difference = better - good
        >>> difference.value > 0, difference.error < good.error / 2
        (True, True)
    """

    value: float
    blocks: Tensor = field(repr=False, compare=False)
    counted: int

    @property
    def error(self) -> float:
        """Standard error of the value; NaN if the value is undefined."""
        if math.isnan(self.value):
            return math.nan
        used = int((self.blocks != 0).sum())
        return math.sqrt(float(self.blocks.square().sum()) * used / max(1, used - 1))

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.value + other.value, self.blocks + other.blocks, min(self.counted, other.counted))

    def __sub__(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, self.blocks - other.blocks, min(self.counted, other.counted))

    def __mul__(self, factor: float) -> Estimate:
        return Estimate(self.value * factor, self.blocks * factor, self.counted)

    def shifted(self, by: float) -> Estimate:
        """The same with a constant added to the value."""
        return replace(self, value=self.value + by)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"value": self.value, "blocks": self.blocks, "counted": self.counted}

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """A number without a sampling error."""
        return cls(value, torch.zeros(BLOCKS, dtype=torch.float64), 10**9)


def as_estimate(value: float | Estimate) -> Estimate:
    """An estimate as it is, a number as one without error."""
    return value if isinstance(value, Estimate) else Estimate.exact(float(value))


def mean_of(estimates: Iterable[Estimate], weights: Iterable[float] | None = None) -> Estimate:
    """Weighted mean of estimates from the same rows.

    Example:
        >>> mean_of([Estimate.exact(1.0), Estimate.exact(2.0)]).value
        1.5
    """
    found = list(estimates)
    shares = [1.0] * len(found) if weights is None else list(weights)
    total = Estimate.exact(0.0)
    for one, share in zip(found, shares, strict=True):
        if share:
            total = total + one * (share / sum(shares))
    return total


def estimate(metric: Metric, predictions: Tensor, targets: Tensor, ids: Tensor | None = None) -> Estimate:
    """A metric with its standard error.

    Args:
        metric: The metric.
        predictions: As the metric takes them, of rows with a label.
        targets: As the metric takes them, of the same rows.
        ids: ``[n]``, which rows these are among all rows of the part; estimates are paired by them, and rows with equal
            ones (of a group) are counted as one. Default: all rows.
    """
    value = metric(predictions, targets)
    if math.isnan(value):
        return Estimate(value, torch.zeros(BLOCKS, dtype=torch.float64), 0)
    return Estimate(value, _in_blocks(metric.influences(predictions, targets), ids), _counted(metric, targets, ids))


def estimate_of_rows(values: Tensor, ids: Tensor | None = None) -> Estimate:
    """The mean of a value per row, with its standard error.

    Args:
        values: ``[n]``.
        ids: See :func:`estimate`.

    Example:
        >>> found = estimate_of_rows(torch.tensor([1.0, 3.0] * 200))
        >>> found.value, round(found.error, 2)
        (2.0, 0.05)
    """
    mean = float(values.double().mean())
    return Estimate(mean, _in_blocks(values.double() - mean, ids), len(values))


def trivial_estimate(metric: Metric, targets: Tensor, ids: Tensor | None = None) -> Estimate:
    """What a constant prediction reaches on these targets, with its standard error; see :func:`estimate`."""
    if not len(targets):
        return Estimate(math.nan, torch.zeros(BLOCKS, dtype=torch.float64), 0)
    level = metric.trivial(targets)
    if metric.constant is None:
        return replace(Estimate.exact(level), counted=_counted(metric, targets, ids))
    influences = metric.influences(metric.constant(targets), targets)
    return Estimate(level, _in_blocks(influences, ids), _counted(metric, targets, ids))


def skill_of(metric: Metric, found: Estimate, trivial: Estimate) -> Estimate:
    """Skill of a value, see :func:`polytask.task.gain.skill`, with its standard error.

    Args:
        metric: Of which it is the value.
        found: The value.
        trivial: That of a constant prediction; from the same rows, the errors are paired.

    Example:
        >>> from polytask.task import METRICS
        >>> skill_of(METRICS["roc_auc"], Estimate.exact(0.75), Estimate.exact(0.5)).value
        0.5
    """
    distance = metric.perfect - trivial.value
    return (found - trivial) * (1 / distance if distance else 0.0)


def _counted(metric: Metric, targets: Tensor, ids: Tensor | None) -> int:
    """What the error rests on: rows as the metric counts them, at most as many as there are groups."""
    counted = metric.counted(targets)
    if ids is None or len(ids) < 2 or bool((ids[1:] > ids[:-1]).all()):
        return counted
    return min(counted, len(ids.unique()))


def _in_blocks(influences: Tensor, ids: Tensor | None) -> Tensor:
    n = len(influences)
    rows = torch.arange(n) if ids is None else ids.cpu()
    blocks = torch.zeros(BLOCKS, dtype=torch.float64)
    return blocks.index_add_(0, _block_of(rows), torch.nan_to_num(influences.cpu().double()) / n)


def _block_of(rows: Tensor) -> Tensor:
    """A block for each row, as if drawn: rows may be sorted or periodic, which a block must not average away.

    The mixing function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    mixed = rows.long() * -7046029254386353131  # signed 64-bit forms of its constants
    mixed = (mixed ^ (mixed >> 30 & 0x3FFFFFFFF)) * -4658895280553007687
    mixed = (mixed ^ (mixed >> 27 & 0x1FFFFFFFFF)) * -7723592293110705685
    return (mixed ^ (mixed >> 31 & 0x1FFFFFFFF)) % BLOCKS
