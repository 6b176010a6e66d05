"""Higher-order approximation (HOA): losses of larger networks from those of all pairs."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from ..affinity_matrix import Affinity
from ..selection import Selection, select_networks
from .context import Context


def select_by_pairs(losses: Affinity, networks: int | None = None, **constraints: Any) -> Selection:
    """The best networks where all pairs and all tasks alone were trained; the loss is minimised.

    The loss of a task in a larger network is predicted as the mean of its losses in the pairs with each other task.

    Args:
        losses: ``matrix[i][j]`` is the loss of task j of the network for tasks i and j; ``matrix[j][j]`` that of task j
            alone.
        networks: largest number of networks.
        constraints: as for :func:`~polytask.grouping.selection.select_networks`, without ``single_score``.

    Returns:
        The choice; its scores are negative losses.

    Raises:
        UserError: As there, and if the loss of a task alone is not known.

    Source: T. Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?", ICML 2020,
    arXiv:1905.07553, section 5.

    Example:
        >>> losses = Affinity(("a", "b", "c"), [[3, 1, 5], [2, 3, 5], [4, 4, 4]])
        >>> choice = select_by_pairs(losses, 2)
        >>> choice.networks, choice.score  # a and b together: 2 and 1; c alone: 4
        ((('a', 'b'), ('c',)), -2.3333333333333335)
    """
    gains = Affinity(losses.tasks, -np.asarray(losses.matrix), losses.meta)
    alone = dict(zip(losses.tasks, np.diag(gains.matrix).tolist(), strict=True))
    return select_networks(gains, networks, single_score=alone, **constraints)


def higher_order(context: Context) -> list[Selection]:
    """Trains every pair and every task alone, and chooses by what they predict; its scores are those of validation."""
    tasks = context.tasks
    context.will_train([*((task,) for task in tasks), *combinations(tasks, 2)])
    losses = np.zeros((len(tasks), len(tasks)))
    for j, task in enumerate(tasks):
        losses[j, j] = -context.trained((task,)).scores[task]
    for (i, one), (j, other) in combinations(enumerate(tasks), 2):
        scores = context.trained((one, other)).scores
        losses[i, j], losses[j, i] = -scores[other], -scores[one]
    pairs = Affinity(tasks, losses, {"method": "hoa"})
    return [select_by_pairs(pairs, budget, **context.constraints) for budget in context.budgets]
