"""The schedule of the learning rate."""

from __future__ import annotations

import math


def learning_rate_factor(step: int, total: int, schedule: str = "constant", warmup: int = 0) -> float:
    """Factor of the learning rate at a step, counted from 0.

    Rises linearly over ``warmup`` steps, then stays (``constant``) or falls to 0 at ``total`` along a line or a cosine.

    Example:
        >>> [round(learning_rate_factor(step, 100, "cosine", warmup=10), 3) for step in (0, 9, 10, 55, 99)]
        [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    if schedule == "linear":
        return 1 - done
    return (1 + math.cos(math.pi * done)) / 2 if schedule == "cosine" else 1.0
