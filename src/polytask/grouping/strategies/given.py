"""The user's own groups."""

from __future__ import annotations

from ...errors import did_you_mean, raise_all
from ..selection import Selection
from .context import Context, plain_selection


def given(context: Context) -> list[Selection]:
    """The groups of the context; a task in several is served by the first.

    Raises:
        UserError: no groups, an empty one, an unknown task, a task in none.

    Example:
        >>> given(Context(("a", "b", "c"), [2], groups=[("c",), ("a", "b")]))[0].networks
        (('a', 'b'), ('c',))
    """
    raise_all(group_problems(context.tasks, context.groups))
    return [plain_selection(context.tasks, context.groups)]


def group_problems(tasks: tuple[str, ...], groups: object) -> list[str]:
    """Problems with the user's groups."""
    if not groups or not isinstance(groups, list | tuple):
        return ["groups: give the tasks of each network, such as [[a, b], [c]]"]
    problems = [f"groups: found an empty one in {groups!r}; give the tasks of each network" for g in groups if not g]
    named = [task for group in groups for task in group]
    problems += [
        f"groups: {task!r} is not a task; {did_you_mean(str(task), tasks)}" for task in named if task not in tasks
    ]
    missing = [task for task in tasks if task not in named]
    if missing:
        problems.append(f"groups: no network for {', '.join(missing)}; put each task into at least one")
    return problems
