"""Which tasks share a network, and which of them it serves."""

from __future__ import annotations

from dataclasses import dataclass

from .numbers import number
from .run import Run


@dataclass(frozen=True)
class Network:
    """One network: the tasks that take their predictions from it, and those that only help to train it."""

    number: int
    served: list[str]
    helpers: list[str]
    stability: float | None = None


def networks(run: Run) -> list[Network]:
    """The chosen networks; none while they are not chosen."""
    members = run.selection.get("networks")
    if members is None:
        return _from_results(run)
    serves = run.selection["serves"]
    kept = (run.selection.get("stability") or {}).get("networks") or []
    stable = {index: number(value) for index, value in enumerate(kept)} if len(kept) == len(members) else {}
    chosen = []
    for index, tasks in enumerate(members):
        served = [str(task) for task in tasks if serves.get(task) == index]
        helpers = [str(task) for task in tasks if serves.get(task) != index]
        chosen.append(Network(index, served, helpers, stable.get(index)))
    return chosen


def groups(chosen: list[Network], tasks: list[str]) -> list[list[str]]:
    """``tasks`` in groups that are served by one network; what no network serves makes the last group."""
    served = [[task for task in network.served if task in tasks] for network in chosen]
    left = [task for task in tasks if not any(task in group for group in served)]
    return [group for group in [*served, left] if group]


def partners(chosen: list[Network]) -> dict[str, list[str]]:
    """For every task the others in the network that serves it."""
    return {
        task: [other for other in (*network.served, *network.helpers) if other != task]
        for network in chosen
        for task in network.served
    }


def _from_results(run: Run) -> list[Network]:
    by_network: dict[int, list[str]] = {}
    for task, result in run.results.get("tasks", {}).items():
        by_network.setdefault(int(result.get("network") or 0), []).append(task)
    return [Network(index, tasks, []) for index, tasks in sorted(by_network.items())]
