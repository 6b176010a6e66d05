"""Names of the columns that predictions have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..display.text import some_names
from ..errors import UserError

if TYPE_CHECKING:
    from .task import Task


def interval_notes(tasks: Sequence[Task]) -> list[str]:
    """Which tasks get no prediction intervals or sets though the user asked for them.

    Raises:
        UserError: If no task gets any.
    """
    without = [task for task in tasks if not task.definition.interval_names(task)]
    if not without:
        return []
    kinds = ", ".join(dict.fromkeys(task.kind for task in without))
    if len(without) == len(tasks):
        raise UserError(f"interval: targets of kind {kinds} have no prediction intervals or sets; leave it out")
    names = some_names([task.name for task in without])
    return [f"no prediction intervals or sets for {names}: kind {kinds} has none"]


def check_prediction_columns(tasks: Sequence[Task], id_column: str | None = None, intervals: bool = False) -> None:
    """Refuse tasks of which two columns of predictions would have the same name.

    Args:
        tasks: All tasks, with their classes.
        id_column: The row id, which is a column of predictions, too.
        intervals: Whether there are columns of prediction intervals and sets.

    Raises:
        UserError: If there are any, with all names.
    """
    names = [] if id_column is None else [id_column]
    for task in tasks:
        names += task.definition.column_names(task)
        names += task.definition.interval_names(task) if intervals else []
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"columns of predictions would have the same name: {', '.join(map(repr, twice[:5]))} (the "
                        "probability of a class is called TARGET_p_CLASS); rename these targets or the row id "
                        "in the table")  # fmt: skip
