"""The grouping strategies that are compared: from a seed and a budget to networks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from polytask.grouping.strategies import GROUPINGS, Context
from polytask.grouping.strategies.random_groups import draw_networks

from .cells import PROBES, SEEDS, WIDE, Cell, Cells, affinity_of
from .gains import gains

Networks = tuple[tuple[str, ...], ...]
BUDGETS = (1, 2, 3, 4, 5)
DRAWS = 5
MOST_PAIRS = 130  # trainings of pairs per seed that are affordable


class Method:
    """A grouping strategy; ``networks`` gives one or (random) several choices for a budget."""

    def __init__(self, name: str, cells: Cells) -> None:
        self.name, self.cells = name, cells

    def networks(self, seed: int, budget: int) -> list[Networks]:
        names = self.cells.names()
        if budget == 1 and self.name != "single_task":
            return [(names,)]
        if self.name == "all_in_one" or self.name in CONTROLS:
            return [(names,)]
        if self.name == "single_task":
            return [tuple((name,) for name in names)]
        if self.name == "random":
            rng = np.random.default_rng([seed, budget])
            return [tuple(draw_networks(names, budget, rng)) for _ in range(DRAWS)]
        return [self._proposed(names, seed, budget)]

    def skill(self, seed: int, budget: int, part: str = "test") -> float:
        """Mean skill over the tasks, and over the choices that it makes for a budget."""
        if self.name in CONTROLS and budget > 1:
            names = self.cells.names()
            probe = f"{WIDE}{len(names)}" if self.name == AS_WIDE else f"{self.name}{budget}"
            return _mean(dict.fromkeys(names, self.cells.get(names, seed, probe)), part)
        return float(np.mean([result(self.cells, networks, seed, part) for networks in self.networks(seed, budget)]))

    def _proposed(self, names: tuple[str, ...], seed: int, budget: int) -> Networks:
        probe = "default" if self.name == "gains" else self.name
        affinity = affinity_of(self.cells.get(names, seed, probe)) if probe in PROBES else None

        def train(tasks: tuple[str, ...]) -> dict[str, float]:
            return {task: max(-1.0, skill) for task, skill in self.cells.get(tasks, seed)["validation"].items()}

        known = {tasks: train(tasks) for tasks in [names, *((name,) for name in names)]} if self.name == "gains" else {}
        context = Context(names, [budget], affinity, train, seed=seed, known=known)
        propose = gains if self.name == "gains" else GROUPINGS["tag" if self.name in PROBES else self.name].propose
        return propose(context)[0].networks


#: One network with as many units as all single-task models together, whatever the budget.
AS_WIDE = "wide_all"
#: At the cost of a budget without any grouping.
CONTROLS = (WIDE, SEEDS, AS_WIDE)
METHODS = ("all_in_one", "single_task", *PROBES, "gains", "random", *CONTROLS, "hoa", "exhaustive")


def methods(cells: Cells, wanted: tuple[str, ...]) -> Iterator[Method]:
    """Those of ``wanted`` that are affordable on a set."""
    count = cells.one.tasks
    for name in wanted:
        if name == "hoa" and count * (count + 1) // 2 > MOST_PAIRS:
            continue
        if name == "exhaustive" and count > 8:
            continue
        yield Method(name, cells)


def result(cells: Cells, networks: Networks, seed: int, part: str = "test") -> float:
    """Mean skill over the tasks, at least -1 each, from the network that is best for the task on validation."""
    found = [cells.get(network, seed) for network in networks]
    served = {
        task: max((cell for cell in found if task in cell["validation"]), key=lambda cell: cell["validation"][task])
        for task in cells.names()
    }
    return _mean(served, part)


def _mean(served: dict[str, Cell], part: str) -> float:
    """Mean skill over tasks, at least -1 each."""
    return float(np.mean([max(-1.0, cell[part][task]) for task, cell in served.items()]))


def finding_seconds(cells: Cells, method: Method, seed: int) -> float:
    """Time of the trainings that a method needs before it can choose."""
    names = cells.names()
    if method.name == "gains":
        alone = sum(cells.get((name,), seed)["seconds"] for name in names)
        return cells.get(names, seed, "default")["seconds"] + alone
    if method.name in PROBES:
        return cells.get(names, seed, method.name)["seconds"]
    if method.name == "hoa":
        singles = [cells.get((name,), seed)["seconds"] for name in names]
        pairs = [cells.get((a, b), seed)["seconds"] for i, a in enumerate(names) for b in names[i + 1 :]]
        return sum(singles) + sum(pairs)
    return 0.0
