"""An upper bound of the score of any choice of networks, for many tasks.

In a network that serves t tasks no task can score more than ``top(r, t)``, the mean of the t - 1 best donors of r (for
t = 1 the best donor alone), and the network costs at least ``c(t)``. Give every task a price p(r). For any division
into served sets whose networks cost at most b together, and for any prices,

    total  =  sum of prices + sum over sets of (scores - prices)
          <=  sum over r of p(r)  +  b * max(0, max over t of the sum of the t largest (top(r, t) - p(r)), over c(t)),

so every choice of prices proves a bound; subgradient steps look for good ones (the Lagrange dual of the choice).

Within a served set T every pair of tasks gives to each other, and only the sum of the two affinities counts. So with
h = (gains + gains^T) / 2 and k helpers, at most all sums of

    pair(r, t)  =  max over k of  (sum of the t - 1 largest h(r, .) + sum of the k best donors of r) / (t - 1 + k)

bound the sum of the scores of T as well (not each score by itself); of the two bounds of a set the lower one counts.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .clock import Clock
from .served import Served

MOST_STEPS, LEAST_STEPS = 200, 20
SORTED = 2e7  # numbers that all steps together sort: a second or two
GRID = 1e-10  # of affinities in the size of scores; a tenth of what counts as equal
MOST_PAIRED = 400  # tasks up to which pairs are looked at: it takes time with the third power of their number


def upper_bound(
    served: Served, budget: float, total: float, clock: Clock | None = None, costs: np.ndarray | None = None
) -> float:
    """A proven upper bound of the sum of the scores of all tasks with networks that cost at most ``budget``.

    Args:
        served: the values of networks, K > 1 tasks.
        budget: largest total cost.
        total: sum of the scores of a known choice; guides the steps, and no bound is below it.
        clock: time to use at most (one vector of prices is always tried); None: any.
        costs: shape [K + 1], cost of a network by its size, inf where there is none; None: 1 each.

    Example:
        >>> gains = np.kron(np.eye(2), np.ones((3, 3))) - np.eye(6)  # two groups of three tasks
        >>> round(upper_bound(Served(gains), 2, total=6.0), 9), round(upper_bound(Served(gains), 1, total=2.4), 9)
        (6.0, 2.4)
    """
    known, unit = total, served.unit or 1.0
    served = replace(served, gains=_up(served.gains / unit), single=_single(served, unit))
    total = -float(_up(np.array(-known / unit)))
    least = np.ones(served.count) if costs is None else np.minimum.accumulate(costs[:0:-1])[::-1]  # to serve t tasks
    tops = _tops(served)
    limits = [tops, _pair_tops(served, tops)] if 2 < served.count <= MOST_PAIRED else [tops]
    for limit in limits:
        limit[~np.isfinite(least)] = -np.inf
    least = np.where(np.isfinite(least), least, 1.0)
    equal = min(max(math.ceil(served.count * least[0] / budget), 1), served.limit)  # as if all served equally many
    prices = np.where(np.isfinite(limits[-1][equal - 1]), limits[-1][equal - 1], tops.max(axis=0))
    bound, patience, scale = np.inf, 0, 1.0
    for _ in range(steps_for(served.count)):
        value, direction = _dual(limits, prices, budget, least)
        if bound - value > 1e-6 * abs(value - total):
            bound, patience = value, 0
        elif (patience := patience + 1) == 10:
            scale, patience = scale / 2, 0
        length = float(direction @ direction)
        if length == 0 or bound <= total or (clock is not None and clock.over()):
            break
        prices -= scale * (value - total) / length * direction
    return max(bound * unit, known)


def steps_for(tasks: int) -> int:
    """Steps that are worth their time.

    Example:
        >>> steps_for(20), steps_for(1000)
        (200, 20)
    """
    return int(min(MOST_STEPS, max(LEAST_STEPS, SORTED / tasks**2)))


def _single(served: Served, unit: float) -> np.ndarray | None:
    return None if served.single is None else _up(np.asarray(served.single, float) / unit)


def _up(values: np.ndarray) -> np.ndarray:
    """Rounded up: what is proven for larger affinities holds, and the unit does not decide by a last digit."""
    return np.ceil(values / GRID - 1e-3) * GRID


def _tops(served: Served) -> np.ndarray:
    """Shape [K, K]: ``tops[t - 1, r]``, the highest score that task r can have in a network that serves t tasks."""
    count = served.count
    barred = np.eye(count, dtype=bool) if served.apart is None else served.apart | np.eye(count, dtype=bool)
    donors = np.where(barred, -np.inf, served.gains)
    best = -np.sort(-donors, axis=1)[:, : count - 1]
    means = np.cumsum(best, axis=1) / np.arange(1, count)
    tops = np.vstack([served.best(), means.T])
    tops[served.limit :] = -np.inf
    return tops


def _pair_tops(served: Served, tops: np.ndarray) -> np.ndarray:
    """Shape [K, K]: ``pair(r, t)`` at ``[t - 1, r]``, as the module states; for t = 1 as :func:`_tops`."""
    count = served.count
    barred = np.eye(count, dtype=bool) if served.apart is None else served.apart | np.eye(count, dtype=bool)
    donors, pairs = (np.where(barred, -np.inf, gains) for gains in (served.gains, (served.gains + served.gains.T) / 2))
    given, shared = (
        np.vstack([np.zeros(count), np.cumsum(-np.sort(-best, axis=1)[:, : count - 1], axis=1).T])
        for best in (donors, pairs)
    )
    found = tops.copy()
    for size in range(2, served.limit + 1):
        helpers = np.arange(served.limit - size + 1)
        found[size - 1] = ((shared[size - 1] + given[helpers]) / (size - 1 + helpers)[:, None]).max(axis=0)
    return found


def _dual(limits: list[np.ndarray], prices: np.ndarray, budget: float, least: np.ndarray) -> tuple[float, np.ndarray]:
    """The bound that the prices prove, and the direction in which it grows."""
    orders = [np.argsort(prices - tops, axis=1) for tops in limits]
    sums = np.stack([
        np.cumsum(np.take_along_axis(tops - prices, order, axis=1), axis=1).diagonal() / least
        for tops, order in zip(limits, orders, strict=True)
    ])  # fmt: skip
    size = int(sums.min(axis=0).argmax())
    lower = int(sums[:, size].argmin())
    direction = np.ones_like(prices)
    if sums[lower, size] > 0:
        direction[orders[lower][size, : size + 1]] -= budget / least[size]
    return float(prices.sum() + budget * max(0.0, sums[lower, size])), direction
