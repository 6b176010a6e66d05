"""One network for each task."""

from __future__ import annotations

from ..selection import Selection
from .context import Context, plain_selection


def one_per_task(context: Context) -> list[Selection]:
    """A network for each task, whatever the budget.

    Example:
        >>> [selection.networks for selection in one_per_task(Context(("a", "b"), [1]))]
        [(('a',), ('b',))]
    """
    return [plain_selection(context.tasks, [(task,) for task in context.tasks])]
