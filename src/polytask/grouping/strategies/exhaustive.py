"""Every possible network is trained, and the best ones for the budget are kept: for few tasks."""

from __future__ import annotations

from itertools import combinations

from ...errors import UserError
from ..selection import Selection
from .context import Context
from .table import select_from_table

MOST_TASKS = 8  # 255 trainings


def exhaustive(context: Context) -> list[Selection]:
    """The best networks on validation, of all 2^K - 1.

    Raises:
        UserError: more than 8 tasks.

    Source: T. Standley et al., ICML 2020, arXiv:1905.07553, "optimal".
    """
    count = len(context.tasks)
    if count > MOST_TASKS:
        raise UserError(
            f"grouping: exhaustive trains a network for every set of tasks, {2**count - 1} for {count} tasks; it takes "
            f"at most {MOST_TASKS} tasks: use hoa or tag"
        )
    largest = context.constraints.get("max_size") or count
    subsets = [tasks for size in range(1, largest + 1) for tasks in combinations(context.tasks, size)]
    context.will_train(subsets)
    table = [context.trained(tasks) for tasks in subsets]
    return [select_from_table(context.tasks, table, networks=budget)[0] for budget in context.budgets]
