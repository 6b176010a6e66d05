"""Whether an affinity has been measured well enough for the choice that is made from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import UserError
from .affinity_matrix import Affinity
from .selection import choose_budget, score_curve, select_networks
from .stability import MOST_EXACT, selection_stability

#: Fewer windows say nothing about how much they differ.
LEAST_WINDOWS = 8
#: Budgets that are looked at unless others are given.
MOST_NETWORKS = 5


def measured_enough(affinity: Affinity, budgets: Sequence[int] = (), **constraints: Any) -> bool:
    """Whether the bootstrap over windows calls the choice of networks safe; a function of its arguments alone.

    A choice of one network is never safe: nothing may have been found yet that speaks for more.

    Args:
        affinity: a measured affinity with its windows.
        budgets: consecutive numbers of networks, of which the knee of the score curve is taken. Default: 1 to 5.
        constraints: as for :func:`~polytask.grouping.select_networks`.

    Raises:
        UserError: as :func:`check_confidence`, and constraints as for :func:`~polytask.grouping.select_networks`.

    Example:
        >>> import numpy as np
        >>> from polytask.grouping.windows import Windows
        >>> means = np.tile(np.kron(np.eye(2), np.ones((2, 2))), (9, 1, 1))
        >>> windows = Windows(np.arange(18).reshape(9, 2), means, np.ones((9, 4, 4), int))
        >>> measured_enough(Affinity(tuple("abcd"), windows.mean(), {"windows": windows.to_json_dict()}))
        True
    """
    check_confidence(len(affinity.tasks))
    windows = affinity.windows
    if windows is None or len(windows) < LEAST_WINDOWS:
        return False
    budgets = budgets or range(1, min(MOST_NETWORKS, len(affinity.tasks)) + 1)
    if len(budgets) == 1:
        selection = select_networks(affinity, budgets[0], **constraints)
    else:
        curve = score_curve(affinity, budgets[-1], **constraints)
        selection = curve[choose_budget(curve) - 1]
    if len(selection.networks) < 2:
        return False
    stability = selection_stability(affinity, selection, len(selection.networks), **constraints)
    return stability is not None and stability.enough


def check_confidence(tasks: int) -> None:
    """Raise if there are too many tasks for a verdict from proven choices.

    Raises:
        UserError: more than 12 tasks: the choices of resamples would not be proven.
    """
    if tasks > MOST_EXACT:
        raise UserError(
            f"affinity.stop: confident takes at most {MOST_EXACT} tasks (for more, resampled choices are not proven), "
            f"found {tasks}; give a step, or never"
        )
