"""Splits that keep rows of one group on one side, or follow time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ..errors import UserError
from .columns import coded, is_numeric, numbers
from .dates import moments, read_dates
from .splits import strata

#: Parts whose shares of the rows differ by more than this from those asked for are reported.
UNEVEN = 0.05
#: A standard error of as many rows rests on at least as many blocks in time.
FEWEST_BLOCKS = 20


def group_codes(column: pa.ChunkedArray) -> np.ndarray:
    """``[n]`` int64, the group of every row: rows of equal cells have equal numbers, a row without a cell its own.

    Example:
        >>> group_codes(pa.chunked_array([["b", "a", None, "b", None]])).tolist()
        [0, 1, 2, 0, 3]
    """
    words = coded(column)
    groups, alone = words.index.copy(), words.index < 0
    groups[alone] = len(words.words) + np.arange(int(alone.sum()))
    return groups


def split_by_groups(
    groups: np.ndarray, targets: np.ndarray, kinds: Sequence[str], shares: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Whole groups to parts, stratified over all tasks as far as groups allow.

    Goes through the groups from those that hold most of a class to the smallest. Each goes to the part that it brings
    closest to its share of the rows and of every class, by the increase of ``sum (have - share)^2 / share``.

    Args:
        groups: ``[n]`` group of every row, from 0 on.
        targets: ``[n, K]`` class indices or numbers, NaN where there is no label.
        kinds: Kind of each task.
        shares: ``[parts]`` of sum 1; a part of share 0 stays empty.
        seed: The same seed gives the same split.

    Returns:
        ``[n]`` int8 part of every row; all parts with a share have rows.

    Raises:
        UserError: If there are fewer groups than parts.

    Example:
        >>> groups = np.arange(300) // 3
        >>> codes = split_by_groups(groups, np.zeros((300, 0)), [], np.array([0.7, 0.15, 0.15]))
        >>> np.bincount(codes).tolist(), len(np.unique(groups * 3 + codes))
        ([210, 45, 45], 100)
    """
    count, parts = int(groups.max(initial=-1)) + 1, np.flatnonzero(shares > 0)
    if count < len(parts):
        raise UserError(f"group: {count} groups cannot be in {len(parts)} parts; give a column with more groups")
    held = _held(groups, count, targets, kinds)
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(count)
    order = shuffled[np.argsort(-(held[shuffled] ** 2).sum(1), kind="stable")]
    wanted = shares[parts][:, None]
    have = np.zeros((len(parts), held.shape[1]))
    part = np.empty(count, np.int64)
    for group in order:
        own = held[group]
        part[group] = best = int((((own + 2 * (have - wanted)) * own) / wanted).sum(1).argmin())
        have[best] += own
    _fill(part, held[:, 0], len(parts))
    return np.asarray(parts[part][groups], np.int8)


def _held(groups: np.ndarray, count: int, targets: np.ndarray, kinds: Sequence[str]) -> np.ndarray:
    """``[groups, 1 + classes]``: which share of the rows, and of those of every class, a group holds."""
    every = [np.arange(len(groups)), *strata(np.asarray(targets, float), kinds)]
    return np.stack([np.bincount(groups[rows], minlength=count) / len(rows) for rows in every], 1)


def _fill(part: np.ndarray, size: np.ndarray, parts: int) -> None:
    """Give every empty part the smallest group of the part with most groups, in place."""
    for empty in np.flatnonzero(np.bincount(part, minlength=parts) == 0):
        donors = np.flatnonzero(part == np.bincount(part, minlength=parts).argmax())
        part[donors[size[donors].argmin()]] = empty


def times(column: pa.ChunkedArray, order: str, at: str) -> np.ndarray:
    """``[n]`` float64 that orders the rows in time: seconds of dates, or numbers as they are.

    Args:
        column: Dates and times as ``docs/data.md`` describes them, or numbers.
        order: Of day and month in text, where it is known; else it is found over the column.
        at: Names the column in messages.

    Raises:
        UserError: If a cell is empty, no date, or day and month cannot be distinguished.
    """
    if is_numeric(column.type):
        values = numbers(column)
    else:
        order = date_order(column, order)
        if not order:
            raise UserError(f"{at}: day and month cannot be distinguished; state which comes first: column_kind "
                            "day_first or month_first (--set data.column_kind.COLUMN=day_first)")  # fmt: skip
        values = moments(column, order, at)
    unknown = ~np.isfinite(values)
    if unknown.any():
        raise UserError(f"{at}: {int(unknown.sum())} rows have no time, first row {int(unknown.argmax()) + 1}; fill "
                        "the cells, or remove these rows")  # fmt: skip
    return values


def date_order(column: pa.ChunkedArray, order: str) -> str:
    """Order of day and month in a column of dates: ``order`` if it is stated, else what the cells show; or empty."""
    return order or ("" if is_numeric(column.type) else read_dates(coded(column).words, order).order)


def time_blocks(when: np.ndarray, rows: int) -> np.ndarray:
    """Blocks of rows that follow each other in time, as neighbouring rows err alike.

    A block has about the square root of ``rows`` rows, so that errors that are correlated over fewer rows than these
    stay within a block, but there are at least 20 in ``rows`` rows. Rows of one moment are in one block.

    Args:
        when: ``[n]``, orders the rows.
        rows: How many rows a standard error is of.

    Returns:
        ``[n]`` int64 number of each row's block.

    Example:
        >>> np.bincount(time_blocks(np.arange(900.0), 900)).tolist() == [30] * 30
        True
        >>> time_blocks(np.array([3.0, 1.0, 1.0, 2.0]), 4).tolist()
        [3, 0, 0, 2]
    """
    length = max(1, min(math.isqrt(max(0, rows - 1)) + 1, rows // FEWEST_BLOCKS))
    return np.searchsorted(np.sort(when), when) // length


def split_by_time(when: np.ndarray, shares: np.ndarray, at: str = "time") -> np.ndarray:
    """Training before validation before test; rows of one moment stay together.

    Args:
        when: ``[n]``, orders the rows.
        shares: ``[3]`` of sum 1; a part of share 0 stays empty.
        at: Names the column in messages.

    Returns:
        ``[n]`` int8 part of every row, as close to the shares as the moments allow; no part with a share is empty.

    Raises:
        UserError: If there are fewer moments than parts.

    Example:
        >>> split_by_time(np.array([5.0, 1.0, 2.0, 2.0, 4.0, 3.0]), np.array([0.5, 0.25, 0.25])).tolist()
        [2, 0, 0, 0, 2, 1]
    """
    moments_, first = np.unique(np.sort(when), return_index=True)
    parts = np.flatnonzero(shares > 0)
    if len(moments_) < len(parts):
        raise UserError(f"{at}: {len(moments_)} different times cannot be in {len(parts)} parts; give a finer column")
    bounds = np.append(first, len(when))  # rows before each moment
    ends, least = [], 0
    for place, share in enumerate(np.cumsum(shares[parts])[:-1]):
        most = len(moments_) - (len(parts) - 1 - place)
        near = int(np.abs(bounds - share * len(when)).argmin())
        ends.append(least := min(max(near, least + 1), most))
    return np.asarray(parts[np.searchsorted(moments_[ends], when, side="right")], np.int8)


def uneven(codes: np.ndarray, shares: np.ndarray, why: str) -> list[str]:
    """A note if parts have other shares of the rows than were asked for.

    Args:
        codes: ``[n]`` part of every row.
        shares: Those asked for.
        why: What made them so.
    """
    found = np.bincount(codes, minlength=len(shares)) / len(codes)
    if np.abs(found - shares).max() <= UNEVEN:
        return []
    shown = [", ".join(f"{100 * share:.0f} %" for share in some) for some in (found, shares)]
    return [f"split: training, validation and test have {shown[0]} of the rows where {shown[1]} were asked for: {why}"]
