"""Regret of choices on published tables: all networks for five tasks of images, in four settings.

T. Standley et al., ICML 2020 (Taskonomy: segmentation, depth, normals, keypoints, edges). Losses are sums over the
tasks, of networks of full size. Only what needs no affinity can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from polytask.grouping import Selection
from polytask.grouping.strategies import GROUPINGS, Context, Measured, select_from_table
from polytask.grouping.strategies.random_groups import draw_networks

from .predicted import Network, all_networks, surrogate

TABLES = Path(__file__).parents[2] / "tests" / "data" / "standley_tables.json"
TASKS = tuple("sdnkt")
BUDGETS = (2, 3, 4, 5)
DRAWS = 100
#: Trained networks, with the one for all; HOA trains 15.
COUNTS = (5, 10, 15)
#: Negative losses of every network.
Scores = Mapping[Network, Mapping[str, float]]


def report_published() -> None:
    """Print how far choices are above the lowest loss, in per cent, means over budgets and draws."""
    columns = ("all_in_one", "random", "hoa", *(f"surrogate_{count}" for count in COUNTS))
    print(f"| setting | lowest loss | {' | '.join(columns)} |\n|---|---:|" + "---:|" * len(columns))
    regrets = []
    for setting, table in json.loads(TABLES.read_text(encoding="utf-8"))["settings"].items():
        validation, test = (_scores(table[part]) for part in ("validation", "test"))
        best = fmean(-len(TASKS) * _best(test, budget).score for budget in BUDGETS)
        losses = [
            fmean(_loss(networks, validation, test) for budget in BUDGETS for networks in choose(budget))
            for choose in _methods(validation)
        ]
        regrets.append([100 * (loss / best - 1) for loss in losses])
        print(f"| {setting} | {best:.4f} | {' | '.join(f'{regret:.2f}' for regret in regrets[-1])} |")
    print(f"| mean | | {' | '.join(f'{mean:.2f}' for mean in np.mean(regrets, 0))} |")


def _methods(validation: Scores) -> list[Callable[[int], Sequence[Sequence[Network]]]]:
    """From a budget to choices of networks, one or several."""

    def by_pairs(budget: int) -> Sequence[Sequence[Network]]:
        context = Context(TASKS, [budget], None, lambda tasks: validation[tasks])
        return [GROUPINGS["hoa"].propose(context)[0].networks]

    def drawn(budget: int) -> Sequence[Sequence[Network]]:
        return [draw_networks(TASKS, budget, np.random.default_rng(draw)) for draw in range(DRAWS)]

    def predicted(budget: int, count: int) -> Sequence[Sequence[Network]]:
        found = []
        for draw in range(DRAWS):
            some = [TASKS, *draw_networks(TASKS, count - 1, np.random.default_rng(draw))]
            table = surrogate(TASKS, {network: validation[network] for network in some})
            found.append(select_from_table(TASKS, table, networks=budget)[0].networks)
        return found

    by_surrogate = [lambda budget, n=count: predicted(budget, n) for count in COUNTS]
    return [lambda budget: [[TASKS]], drawn, by_pairs, *by_surrogate]


def _scores(rows: Sequence[tuple[float, Sequence[float | None]]]) -> Scores:
    """Of the networks of full size in a table of losses."""
    found = [{task: -loss for task, loss in zip(TASKS, losses, strict=True) if loss is not None}
             for size, losses in rows if size == 1]  # fmt: skip
    return {tuple(scores): scores for scores in found}


def _best(scores: Scores, budget: int) -> Selection:
    return select_from_table(TASKS, [Measured(scores[network]) for network in all_networks(TASKS)], networks=budget)[0]


def _loss(networks: Sequence[Network], validation: Scores, test: Scores) -> float:
    """Sum over the tasks, each from the network that is best for it on validation."""
    served = {task: max((one for one in networks if task in one), key=lambda one: validation[one][task])
              for task in TASKS}  # fmt: skip
    return -sum(test[network][task] for task, network in served.items())
