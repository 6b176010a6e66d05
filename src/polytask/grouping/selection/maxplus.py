"""Best way to divide every set in two: the max-plus convolution over disjoint sets, with numpy's vector operations."""

from __future__ import annotations

from functools import cache

import numpy as np

LOW_BITS = (
    8  # 3^8 pairs of low halves are one row of 52 kB: long enough for vector operations, short enough for the cache
)


def subsets(mask: int) -> np.ndarray:
    """All subsets of ``mask``, ascending, the empty one first.

    Example:
        >>> subsets(0b101).tolist()
        [0, 1, 4, 5]
    """
    masks = np.zeros(1, np.int64)
    while mask:
        bit = mask & -mask
        masks = np.concatenate([masks, masks | bit])
        mask ^= bit
    return masks


def divide_all(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """For every set S of K tasks the maximum of ``left[A] + right[S - A]``, in time 3^K / 2.

    A set is written as (high bits, low bits). For each pair of high halves all disjoint pairs of low halves are handled
    by one addition and one maximum over rows of length 3^low, which are spread out beforehand.

    Args:
        left: shape [2^K]; the best value of every set with some number of networks.
        right: the same with no more networks than ``left``: of every division of S one is looked at where ``left`` has
            the highest task of S, which then loses nothing.

    Example:
        >>> divide_all(np.array([0.0, 1, 1, 5]), np.array([0.0, 1, 1, 5])).tolist()
        [0.0, 1.0, 1.0, 5.0]
        >>> divide_all(np.array([0.0, 4, 4, 5]), np.array([0.0, 4, 4, 5])).tolist()
        [0.0, 4.0, 4.0, 8.0]
    """
    bits = len(left).bit_length() - 1
    low = min(bits, LOW_BITS)
    firsts, seconds, starts = _disjoint_pairs(low)
    left_rows = left.reshape(-1, 1 << low).take(firsts, axis=1)
    right_rows = right.reshape(-1, 1 << low).take(seconds, axis=1)
    result = np.empty((len(left_rows), 1 << low))
    best, candidate = np.empty(len(firsts)), np.empty(len(firsts))
    for high in range(len(left_rows)):
        top = 1 << high.bit_length() >> 1
        np.add(left_rows[high], right_rows[0], out=best)
        for rest in _proper_subsets(high ^ top):
            np.add(left_rows[high ^ rest], right_rows[rest], out=candidate)
            np.maximum(best, candidate, out=best)
        np.maximum.reduceat(best, starts, out=result[high])
    return result.reshape(-1)


def _proper_subsets(mask: int) -> list[int]:
    """Subsets of ``mask`` without the empty one."""
    return subsets(mask).tolist()[1:]


@cache
def _disjoint_pairs(bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All 3^bits pairs of disjoint sets in the order of their union: firsts, seconds, and where each union starts."""
    firsts = [subsets(union) for union in range(1 << bits)]
    seconds = [union ^ first for union, first in enumerate(firsts)]
    starts = np.cumsum([0] + [len(first) for first in firsts[:-1]])
    return np.concatenate(firsts), np.concatenate(seconds), starts
