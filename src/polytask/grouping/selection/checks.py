"""What can be wrong with a wish for networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polytask.errors import raise_all
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection.served import Served

LARGEST = 1e100  # sums of larger affinities could overflow


def checked(affinity: Affinity, name: str, budget: Any, single: Any, max_size: Any, seconds: Any) -> Served:
    """The values of networks under the given wishes; ``name`` is that of the budget in errors.

    Raises:
        UserError: everything that is wrong with them, at once.
    """
    problems = [*_budget_problems(affinity, name, budget, single, max_size)]
    if single is not None and not (_is_number(single) and abs(single) <= LARGEST):
        problems.append(f"single_score: expected a finite number, the score of a task alone, found {single!r}")
    if not (_is_number(seconds) and seconds > 0):
        problems.append(f"seconds: expected a number above 0, found {seconds!r}")
    largest = np.abs(affinity.gains).max()
    if largest > LARGEST:
        problems.append(f"affinity: expected numbers up to {LARGEST:g}, found {largest:g}; rescale them")
    raise_all(problems)
    return Served(affinity.gains, single, max_size)


def _budget_problems(affinity: Affinity, name: str, budget: Any, single: Any, max_size: Any) -> list[str]:
    count = len(affinity.tasks)
    problems = []
    if not _is_count(budget):
        problems.append(f"{name}: expected a whole number of networks, at least 1, found {budget!r}")
    if max_size is None:
        return problems
    smallest = 2 if single is None and count > 1 else 1
    if not _is_count(max_size) or max_size < smallest:
        why = "; networks of one task need a single_score" if smallest == 2 else ""
        problems.append(f"max_size: expected a whole number of tasks, at least {smallest}{why}, found {max_size!r}")
    elif _is_count(budget) and budget * max_size < count:
        problems.append(
            f"max_size: {budget} networks of at most {max_size} tasks cannot serve {count} tasks; allow "
            f"{math.ceil(count / max_size)} networks, or {math.ceil(count / budget)} tasks in each"
        )
    return problems


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= 1)
