"""Which tasks share a network, and which of them it serves."""

from __future__ import annotations

from dataclasses import dataclass

from ..records.run import Run
from ..records.values import number


@dataclass(frozen=True)
class NetworkTasks:
    """One network: the tasks that take their predictions from it, and those that only help to train it."""

    number: int
    served: list[str]
    helpers: list[str]
    stability: float | None = None


def networks(run: Run) -> list[NetworkTasks]:
    """The chosen networks; none while they are not chosen."""
    members = run.selection.get("networks")
    if members is None:
        return _from_results(run)
    serves = {str(task): run.networks_of(str(task)) for tasks in members for task in tasks}
    kept = (run.selection.get("stability") or {}).get("networks") or []
    stable = {index: number(value) for index, value in enumerate(kept)} if len(kept) == len(members) else {}
    chosen = []
    for index, tasks in enumerate(members):
        served = [str(task) for task in tasks if index in serves[str(task)]]
        helpers = [str(task) for task in tasks if index not in serves[str(task)]]
        chosen.append(NetworkTasks(index, served, helpers, stable.get(index)))
    return chosen


def groups(chosen: list[NetworkTasks], tasks: list[str]) -> list[list[str]]:
    """``tasks`` in groups that are served by one network, each in its first; those of no network are the last group."""
    left, found = list(tasks), []
    for network in chosen:
        found.append([task for task in left if task in network.served])
        left = [task for task in left if task not in network.served]
    return [group for group in [*found, left] if group]


def partners(chosen: list[NetworkTasks]) -> dict[str, list[str]]:
    """For every task the others in the networks that serve it."""
    found: dict[str, list[str]] = {}
    for network in chosen:
        for task in network.served:
            others = [other for other in (*network.served, *network.helpers) if other != task]
            found[task] = list(dict.fromkeys([*found.get(task, []), *others]))
    return found


def _from_results(run: Run) -> list[NetworkTasks]:
    by_network: dict[int, list[str]] = {}
    for task in run.results.get("tasks", {}):
        for network in run.networks_of(task) or [0]:
            by_network.setdefault(network, []).append(task)
    return [NetworkTasks(index, tasks, []) for index, tasks in sorted(by_network.items())]
