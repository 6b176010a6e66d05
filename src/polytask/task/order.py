"""In which order tasks are taken up when they are trained one after the other."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from ..errors import UserError, did_you_mean

#: Orders by name; ``given`` is the order of the targets.
ORDERS = (
    "given",
    "largest_first",
    "smallest_first",
    "slowest_first",
    "fastest_first",
    "largest_gap_first",
    "random",
)


def task_order(
    order: str | Sequence[str],
    names: Sequence[str],
    *,
    labels: Mapping[str, int],
    best_epochs: Mapping[str, float] | None = None,
    gaps: Mapping[str, float] | None = None,
    seed: int = 0,
) -> list[str]:
    """``names`` in the order asked for; ties keep the order given.

    Args:
        order: One of :data:`ORDERS`, or names, which may include tasks that are not among ``names``.
        names: The tasks.
        labels: Training labels of each task, for ``largest_first`` and ``smallest_first``.
        best_epochs: Epoch of each task's best validation value in plain joint training, for ``slowest_first`` and
            ``fastest_first``.
        gaps: How far joint training stays behind a single-task model, for ``largest_gap_first``.
        seed: For ``random``.

    Raises:
        UserError: If the order is not known, names tasks wrongly or needs what is not there.

    Example:
        >>> task_order("largest_first", ["a", "b", "c"], labels={"a": 10, "b": 30, "c": 20})
        ['b', 'c', 'a']
    """
    if not isinstance(order, str):
        missing = [name for name in names if name not in order]
        if missing or len(set(order)) != len(order):
            raise UserError(f"order: expected every task once ({', '.join(names)}), found {', '.join(order)}")
        return [name for name in order if name in names]
    if order not in ORDERS:
        raise UserError(f"order: {order!r} is not known; {did_you_mean(order, ORDERS)}, or give the names of the tasks")
    if order == "random":
        return random.Random(seed).sample(list(names), len(names))
    keys = {
        "largest_first": (labels, -1),
        "smallest_first": (labels, 1),
        "slowest_first": (best_epochs, -1),
        "fastest_first": (best_epochs, 1),
        "largest_gap_first": (gaps, -1),
    }
    if order == "given":
        return list(names)
    values, sign = keys[order]
    if values is None:
        raise UserError(f"order: {order!r} needs a plain joint training (and single-task models for the gap) first; "
                        "`polytask fit` with baselines makes them, otherwise give the names of the tasks")  # fmt: skip
    known = {name: 0.0 if math.isnan(values[name]) else values[name] for name in names}  # nan: nobody could measure it
    return sorted(names, key=lambda name: sign * known[name])
