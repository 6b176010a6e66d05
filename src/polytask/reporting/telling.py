"""Which of many tasks are worth a look: those that lost or gained most, beside some that are like the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from ..records.run import Run
from .outcome import rows


def telling_tasks(results: Mapping[str, Any], most: int) -> list[str]:
    """At most ``most`` tasks, in their order: least of the peak kept, worst and best against every baseline in turn.

    Args:
        results: The content of ``results.json``.
        most: This many tasks at most; with no more than that all are told.

    Example:
        >>> tasks = {name: {"kept": kept, "test": 0.5} for name, kept in zip("abcd", (1, 0.9, 0.2, 1))}
        >>> telling_tasks({"tasks": tasks}, 2), telling_tasks({"tasks": tasks}, 9)
        (['a', 'c'], ['a', 'b', 'c', 'd'])
    """
    tasks = results["tasks"]
    chosen = dict.fromkeys(islice(_in_turn(_orders(results)), most)) if len(tasks) > most else tasks
    return [task for task in tasks if task in chosen]


def _orders(results: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    table = rows(Run(Path(), results=dict(results)))
    yield [row.task for row in sorted(table, key=lambda row: row.kept or 0.0) if row.kept is not None]
    for name in table[0].others if table else ():
        found = {row.task: gain.relative for row in table if (gain := row.gains[name])}
        gains = {task: relative for task, relative in found.items() if relative is not None}
        ordered = sorted(gains, key=gains.__getitem__)
        yield from (ordered, ordered[::-1])
    yield list(results["tasks"])


def _in_turn(orders: Iterator[Sequence[str]]) -> Iterator[str]:
    """The first of every order, the second of every order, ...; each task once."""
    seen = set()
    for places in zip_longest(*orders):
        for task in places:
            if task is not None and task not in seen:
                seen.add(task)
                yield task
