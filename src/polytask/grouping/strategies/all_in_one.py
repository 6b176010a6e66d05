"""One network for all tasks."""

from __future__ import annotations

from ..selection import Selection
from .context import Context, plain_selection


def all_in_one(context: Context) -> list[Selection]:
    """One network for all, whatever the budget.

    Example:
        >>> [selection.networks for selection in all_in_one(Context(("a", "b"), [1, 2]))]
        [(('a', 'b'),)]
    """
    return [plain_selection(context.tasks, [context.tasks])]
