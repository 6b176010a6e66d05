"""Which of many tasks are worth a look: those that lost or gained most, beside some that are like the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Any

from ..records.values import number
from ..task.gain import gain


def telling_tasks(results: Mapping[str, Any], most: int) -> list[str]:
    """At most ``most`` tasks, in their order: least of the peak kept, worst and best against every baseline in turn.

    Args:
        results: The content of ``results.json``.
        most: So many tasks at most; with no more than that all are told.

    Example:
        >>> tasks = {name: {"kept": kept, "test": 0.5} for name, kept in zip("abcd", (1, 0.9, 0.2, 1))}
        >>> telling_tasks({"tasks": tasks}, 2), telling_tasks({"tasks": tasks}, 9)
        (['a', 'c'], ['a', 'b', 'c', 'd'])
    """
    tasks = results["tasks"]
    chosen = dict.fromkeys(islice(_in_turn(_orders(results)), most)) if len(tasks) > most else tasks
    return [task for task in tasks if task in chosen]


def _orders(results: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    tasks = results["tasks"]
    kept = {task: number(entry.get("kept")) for task, entry in tasks.items()}
    yield sorted((task for task, share in kept.items() if share is not None), key=lambda task: kept[task] or 0.0)
    trivial = (results.get("totals") or {}).get("trivial") or {}
    for baseline in (results.get("baselines") or {}).values():
        gains = {
            task: found.relative
            for task, entry in tasks.items()
            if isinstance(values := (baseline or {}).get(task), dict)
            and (found := gain(number(entry.get("test")), number(values.get("test")), str(entry.get("direction") or ""),
                               number(trivial.get(task)))) is not None
            and found.relative is not None
        }  # fmt: skip
        ordered = sorted(gains, key=gains.__getitem__)
        yield from (ordered, ordered[::-1])
    yield list(tasks)


def _in_turn(orders: Iterator[Sequence[str]]) -> Iterator[str]:
    """The first of every order, the second of every order, ...; each task once."""
    seen = set()
    for places in zip_longest(*orders):
        for task in places:
            if task is not None and task not in seen:
                seen.add(task)
                yield task
