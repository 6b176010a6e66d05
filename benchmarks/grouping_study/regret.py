"""How far chosen networks are from the best, where the networks for all groups of tasks were trained."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from polytask.grouping.strategies import Measured, select_from_table
from sets_and_seeds import Line, table

from .cells import Cells
from .methods import Method, Networks, result
from .predicted import all_networks

#: One network is the same for all methods.
BUDGETS = (2, 3, 4, 5)
METHODS = ("all_in_one", "single_task", "random", "tag", "default", "gains", "few", "surrogate", "attention",
           "halving", "hoa", "few_20", "surrogate_20", "attention_20", "warm", "exhaustive")  # fmt: skip
#: Served together with one network for all and single-task models, as ``--networks auto`` does.
BESIDE = ("default", "gains")


def report(sets: Sequence[Cells], seeds: Sequence[int]) -> None:
    """Print regrets by set, in points of mean skill, and differences with tests over sets."""
    lines: list[Line] = []
    columns = [*METHODS, *(f"{name} and what is there" for name in BESIDE)]
    print(f"| set | seeds | best | {' | '.join(columns)} |\n|---|---:|---:|" + "---:|" * len(columns))
    regrets = []
    for cells in sets:
        whole = [seed for seed in seeds if _complete(cells, seed)]
        if not whole:
            continue
        best = fmean(_best(cells, whole, budget) for budget in BUDGETS)
        own = [{"set": cells.one.name, "seed": seed, "skill": _skills(cells, seed)} for seed in whole]
        lines += own
        regrets.append([100 * (best - fmean(line["skill"][name] for line in own)) for name in columns])
        numbers = " | ".join(f"{regret:.2f}" for regret in regrets[-1])
        print(f"| {cells.one.name} | {len(whole)} | {100 * best:.2f} | {numbers} |")
    by_affinity = columns.index("default")
    shares = [fmean(row[place] / row[by_affinity] for row in regrets) for place in range(len(columns))]
    print(f"| mean share of `default` | | | {' | '.join(f'{share:.2f}' for share in shares)} |\n")
    print("Mean skill over budgets, less that of `default`.\n")
    table("default", [(line, line) for line in lines], {f"{name} - default": (name, "default")
                                                        for name in METHODS if name != "default"})  # fmt: skip


def _complete(cells: Cells, seed: int) -> bool:
    try:
        _skills(cells, seed)
    except LookupError:
        return False
    return True


def _skills(cells: Cells, seed: int) -> dict[str, float]:
    """Mean test skill over the budgets, by method."""
    names = cells.names()
    there: Networks = (names, *((name,) for name in names))
    methods = {name: Method(name, cells) for name in METHODS}
    found = {}
    for name, method in methods.items():
        choices = [method.networks(seed, budget) for budget in BUDGETS]
        found[name] = fmean(fmean(result(cells, one, seed) for one in some) for some in choices)
        if name in BESIDE:
            both = [tuple(dict.fromkeys([*one, *there])) for some in choices for one in some]
            found[f"{name} and what is there"] = fmean(result(cells, one, seed) for one in both)
    return found


def _best(cells: Cells, seeds: Sequence[int], budget: int) -> float:
    """Mean test skill of the networks that are best in the mean over seeds of validation and test."""
    names = cells.names()

    def mean(tasks: tuple[str, ...], task: str, *parts: str) -> float:
        found = [cells.get(tasks, seed) for seed in seeds]
        return fmean(max(-1.0, cell[part][task]) for cell in found for part in parts)

    measured = [Measured({task: mean(tasks, task, "validation", "test") for task in tasks})
                for tasks in all_networks(names)]  # fmt: skip
    chosen, _ = select_from_table(names, measured, networks=budget)
    return fmean(mean(chosen.networks[chosen.serves[task]], task, "test") for task in names)
