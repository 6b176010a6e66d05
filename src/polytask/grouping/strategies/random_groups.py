"""Random networks, to know what choosing is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...errors import UserError
from ..selection import Selection
from .context import Context, plain_selection
from .table import serving

MOST_DRAWS = 100_000


def random_groups(context: Context) -> list[Selection]:
    """For every budget this many different random networks that together hold all tasks.

    Every set of at least two tasks is as likely as any other. With a way to train, each task is served by the network
    that is best for it on validation; without, by the first that holds it.

    Source: T. Standley et al., ICML 2020, arXiv:1905.07553, "random groupings".

    Example:
        >>> [len(selection.networks) <= 2 for selection in random_groups(Context(("a", "b", "c"), [2], seed=1))]
        [True]
    """
    rng = np.random.default_rng(context.seed)
    most = context.constraints.get("max_size")
    found = []
    possible = [budget for budget in context.budgets if not random_problems(context.tasks, budget, most)]
    for budget in possible or context.budgets:
        networks = draw_networks(context.tasks, budget, rng, most)
        trained = context.train is not None
        found.append(
            serving(context.tasks, [context.trained(network) for network in networks])[0]
            if trained
            else plain_selection(context.tasks, networks)
        )
    return found


def random_problems(tasks: Sequence[str], budget: int, max_size: int | None = None) -> list[str]:
    """Why no ``budget`` different networks of at least two tasks each can hold all tasks; empty if they can.

    Example:
        >>> random_problems(["a", "b"], 2)
        ['networks: no 2 different random networks of 2 to 2 tasks can hold all 2 targets; take fewer networks']
        >>> random_problems(["a", "b", "c"], 2)
        []
    """
    count, largest = len(tasks), len(tasks) if max_size is None else min(max_size, len(tasks))
    smallest = min(2, count)
    different = sum(math.comb(count, size) for size in range(smallest, largest + 1))
    if budget == 1 or (different >= budget and budget * largest >= count):
        return []
    return [f"networks: no {budget} different random networks of {smallest} to {largest} tasks can hold all {count} "
            "targets; take fewer networks"]  # fmt: skip


def draw_networks(
    tasks: tuple[str, ...], budget: int, rng: np.random.Generator, max_size: int | None = None
) -> list[tuple[str, ...]]:
    """``budget`` different random networks of at least two tasks that together hold all; drawn again until they do.

    Raises:
        UserError: so few networks of that size cannot hold all tasks, or there are not that many.
    """
    count, largest = len(tasks), len(tasks) if max_size is None else max_size
    smallest = min(2, count)
    for _ in range(MOST_DRAWS if budget * largest >= count else 0):
        rows = rng.random((budget, count)) < 0.5
        sizes = rows.sum(axis=1)
        different = len({row.tobytes() for row in rows}) == budget
        if different and rows.any(axis=0).all() and sizes.min() >= smallest and sizes.max() <= largest:
            return [tuple(task for task, held in zip(tasks, row, strict=True) if held) for row in rows]
        if budget == 1:  # one network can only be the one for all
            return [tasks]
    raise UserError(f"grouping: no {budget} random networks of {smallest} to {largest} tasks hold all {count} tasks")
