"""The grouping strategies that are compared: from a seed and a budget to networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from statistics import fmean

import numpy as np

from polytask.grouping.strategies import GROUPINGS, Context, Measured, select_from_table
from polytask.grouping.strategies.random_groups import draw_networks

from .attention import attention
from .cells import PROBES, SEEDS, WARM, WIDE, Cell, Cells, affinity_of
from .predicted import all_networks, few, gains, surrogate

Networks = tuple[tuple[str, ...], ...]
BUDGETS = (1, 2, 3, 4, 5)
DRAWS = 5
MOST_PAIRS = 130  # trainings of pairs per seed that are affordable
MOST_TASKS = 8  # whose networks are all trained, or predicted
#: Random networks that are trained beside the one for all.
FEW, MANY = 4, 20
#: Parts of a training in rounds of :func:`_halving`, which begins with twice as many choices as rounds.
ROUNDS = (8, 4)


class Method:
    """A grouping strategy; ``networks`` gives one or (what is drawn) several choices for a budget."""

    def __init__(self, name: str, cells: Cells) -> None:
        self.name, self.cells = name, cells

    def networks(self, seed: int, budget: int) -> list[Networks]:
        names = self.cells.names()
        if self.name == "single_task":
            return [tuple((name,) for name in names)]
        if budget == 1 or self.name == "all_in_one" or self.name in CONTROLS:
            return [(names,)]
        return CHOICES[self.name](self.cells, seed, budget)

    def skill(self, seed: int, budget: int, part: str = "test") -> float:
        """Mean skill over the tasks, and over the choices that it makes for a budget."""
        if self.name in CONTROLS and budget > 1:
            names = self.cells.names()
            probe = f"{WIDE}{len(names)}" if self.name == AS_WIDE else f"{self.name}{budget}"
            return _mean(dict.fromkeys(names, self.cells.get(names, seed, probe)), part)
        return fmean(result(self.cells, networks, seed, part) for networks in self.networks(seed, budget))


def _by_strategy(name: str, probe: str = "") -> Callable[[Cells, int, int], list[Networks]]:
    """What a strategy of the library proposes."""

    def choose(cells: Cells, seed: int, budget: int) -> list[Networks]:
        names = cells.names()
        affinity = affinity_of(cells.get(names, seed, probe)) if probe else None
        context = Context(names, [budget], affinity, lambda tasks: _validation(cells, tasks, seed), seed=seed)
        return [GROUPINGS[name].propose(context)[0].networks]

    return choose


def _random(cells: Cells, seed: int, budget: int) -> list[Networks]:
    rng = np.random.default_rng([seed, budget])
    return [tuple(draw_networks(cells.names(), budget, rng)) for _ in range(DRAWS)]


def _by_gains(cells: Cells, seed: int, budget: int) -> list[Networks]:
    names = cells.names()
    known = {tasks: _validation(cells, tasks, seed) for tasks in [names, *((name,) for name in names)]}
    return [_selected(cells, gains(names, known, affinity_of(cells.get(names, seed, "default"))), budget)]


def _by_surrogate(count: int) -> Callable[[Cells, int, int], list[Networks]]:
    def choose(cells: Cells, seed: int, budget: int) -> list[Networks]:
        return [_selected(cells, surrogate(cells.names(), known), budget) for known in _drawn(cells, seed, count)]

    return choose


def _by_few(count: int) -> Callable[[Cells, int, int], list[Networks]]:
    def choose(cells: Cells, seed: int, budget: int) -> list[Networks]:
        names = cells.names()
        affinity = affinity_of(cells.get(names, seed, "default"))
        return [_selected(cells, few(names, known, affinity), budget) for known in _drawn(cells, seed, count)]

    return choose


def _by_attention(count: int) -> Callable[[Cells, int, int], list[Networks]]:
    @cache  # the same for all budgets
    def predicted(cells: Cells, seed: int) -> list[list[Measured]]:
        return [attention(cells.names(), known, seed) for known in _drawn(cells, seed, count)]

    def choose(cells: Cells, seed: int, budget: int) -> list[Networks]:
        return [_selected(cells, table, budget) for table in predicted(cells, seed)]

    return choose


def _by_warm(cells: Cells, seed: int, budget: int) -> list[Networks]:
    """All networks go on from the one for all, for the first part of a training."""
    table = [Measured(_validation(cells, tasks, seed, f"{WARM}{ROUNDS[0]}")) for tasks in all_networks(cells.names())]
    return [_selected(cells, table, budget)]


def _halving(cells: Cells, seed: int, budget: int) -> list[Networks]:
    """Of the networks of affinity and random ones, the better half of each round; at most as many trainings as
    networks."""
    drawn = np.random.default_rng([seed, budget, 1])
    choices = [CHOICES["default"](cells, seed, budget)[0]]
    while len(choices) < 2 * len(ROUNDS):
        choices.append(tuple(draw_networks(cells.names(), budget, drawn)))
    for part in ROUNDS:
        levels = [result(cells, networks, seed, "validation", f"{WARM}{part}") for networks in choices]
        best = np.argsort(-np.array(levels), kind="stable")[: len(choices) // 2]
        choices = [choices[place] for place in best]
    return choices


def _drawn(cells: Cells, seed: int, count: int) -> Iterator[dict[tuple[str, ...], dict[str, float]]]:
    """Skills of the network for all and of ``count`` random ones, which together hold every task, several times."""
    names = cells.names()
    for draw in range(DRAWS):
        rng = np.random.default_rng([seed, count, draw])
        some = [names, *draw_networks(names, count, rng)]
        yield {tasks: _validation(cells, tasks, seed) for tasks in some}


def _selected(cells: Cells, table: list[Measured], budget: int) -> Networks:
    return tuple(select_from_table(cells.names(), table, networks=budget)[0].networks)


def _validation(cells: Cells, tasks: tuple[str, ...], seed: int, probe: str = "") -> dict[str, float]:
    """Skills on validation, at least -1."""
    return {task: max(-1.0, skill) for task, skill in cells.get(tuple(tasks), seed, probe)["validation"].items()}


CHOICES: dict[str, Callable[[Cells, int, int], list[Networks]]] = {
    **{probe: _by_strategy("tag", probe) for probe in PROBES},
    "random": _random,
    "hoa": _by_strategy("hoa"),
    "exhaustive": _by_strategy("exhaustive"),
    "gains": _by_gains,
    "surrogate": _by_surrogate(FEW),
    "surrogate_20": _by_surrogate(MANY),
    "attention": _by_attention(FEW),
    "attention_20": _by_attention(MANY),
    "few": _by_few(FEW),
    "few_20": _by_few(MANY),
    "warm": _by_warm,
    "halving": _halving,
}
#: One network with as many units as all single-task models together, whatever the budget.
AS_WIDE = "wide_all"
#: At the cost of a budget without any grouping.
CONTROLS = (WIDE, SEEDS, AS_WIDE)
METHODS = ("all_in_one", "single_task", *CHOICES, *CONTROLS)
#: They train the networks for all groups of tasks, or predict how good these are.
FOR_FEW_TASKS = ("exhaustive", "gains", "surrogate", "surrogate_20", "attention", "attention_20", "few", "few_20",
                 "warm")  # fmt: skip


def methods(cells: Cells, wanted: tuple[str, ...]) -> Iterator[Method]:
    """Those of ``wanted`` that are affordable on a set."""
    count = cells.one.tasks
    for name in wanted:
        if name == "hoa" and count * (count + 1) // 2 > MOST_PAIRS:
            continue
        if name in FOR_FEW_TASKS and count > MOST_TASKS:
            continue
        yield Method(name, cells)


def result(cells: Cells, networks: Networks, seed: int, part: str = "test", probe: str = "") -> float:
    """Mean skill over the tasks, at least -1 each, from the network that is best for the task on validation."""
    found = [cells.get(network, seed, probe) for network in networks]
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
    if method.name in PROBES:
        return cells.get(names, seed, method.name)["seconds"]
    if method.name == "hoa":
        singles = [cells.get((name,), seed)["seconds"] for name in names]
        pairs = [cells.get((a, b), seed)["seconds"] for i, a in enumerate(names) for b in names[i + 1 :]]
        return sum(singles) + sum(pairs)
    return 0.0
