"""What grouping is worth: networks chosen by affinity, by pairs, at random, against one for all and one per task.

    python benchmarks/grouping.py run --data DATA --out cells.jsonl --sets wq rf1 --seeds 5 [--jobs 2]
    python benchmarks/grouping.py table --data DATA --out cells.jsonl --sets wq rf1
    python benchmarks/grouping.py finding --data DATA --sets tox21
    python benchmarks/grouping.py all --data DATA --out small.jsonl
    python benchmarks/grouping.py regret --data DATA --out small.jsonl --first 2
    python benchmarks/grouping.py published

DATA (or the environment variable POLYTASK_DATA) holds ``mtr``, ``tox21`` and ``multilabel``. Every network has the same
shape and the same number of steps. Cells (set, tasks, seed) are trained once, shared by all methods and stored at once,
so ``run`` may be stopped and continued at any time. A task is taken from the network that is best for it on validation;
figures are the mean skill on test (0: a constant, 1: perfect). ``finding`` measures how much faster than pairs (HOA)
the default estimator finds networks, in CPU time of one process; it trains again what it measures. ``all`` trains the
networks for every group of tasks of small sets, and ``regret`` compares what methods choose with the best of them, at
budgets of 2 to 5 networks; seeds below ``--first`` are those on which the weight of affinity in ``gains`` was chosen.
``published`` does the same with four tables of T. Standley et al. (ICML 2020) of all networks of five tasks of images.
"""

from __future__ import annotations

import argparse
import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from grouping_study.cells import Cells
from grouping_study.finding import HEAD, finding_time
from grouping_study.methods import BUDGETS, METHODS, Method, methods
from grouping_study.published import report_published
from grouping_study.regret import METHODS as FOR_ALL_GROUPS
from grouping_study.regret import report
from grouping_study.sets import SETS, SMALL, Set
from grouping_study.table import over_sets, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table", "finding", "all", "regret", "published"])
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="folder of the data sets")
    parser.add_argument("--out", type=Path, help="file of the cells")
    parser.add_argument("--sets", nargs="+", choices=[*SETS, *SMALL], help="by default all that the action is for")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[m for m in METHODS if m != "exhaustive"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="of `regret`: the first seed that is reported")
    parser.add_argument("--jobs", type=int, default=1, help="processes; each takes a seed at a time")
    arguments = parser.parse_args()
    if arguments.action == "published":
        report_published()
        return
    if arguments.data is None:
        parser.error("--data: say where the data are, or set POLYTASK_DATA")
    if arguments.out is None and arguments.action != "finding":
        parser.error("--out: say where the cells are kept")
    names = arguments.sets or list(SMALL if arguments.action in ("all", "regret") else SETS)
    sets = [(SETS | SMALL)[name] for name in names]
    if arguments.action == "finding":
        print(HEAD)
        for one in sets:
            print(finding_time(one, arguments.data, 0, repeats=5), flush=True)
    elif arguments.action == "run":
        chosen_networks(names, arguments)
    elif arguments.action == "all":
        every_group(sets, arguments.seeds, arguments.data, arguments.out)
    else:
        cells = [Cells(one, arguments.data, arguments.out, train=False) for one in sets]
        if arguments.action == "table":
            print(table(cells, arguments.methods) + "\n")
            over_sets(cells, arguments.methods, "all_in_one")
        else:
            report(cells, range(arguments.first, arguments.seeds))


def chosen_networks(names: list[str], arguments: argparse.Namespace) -> None:
    """The networks that methods choose."""
    work = [(name, seed, arguments.data, arguments.out, tuple(arguments.methods))
            for name in names for seed in range(arguments.seeds)]  # fmt: skip
    if arguments.jobs == 1:
        for one in work:
            train_all(*one)
        return
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        for job in [pool.submit(train_all, *one) for one in work]:
            job.result()


def every_group(sets: list[Set], seeds: int, data: Path, out: Path) -> None:
    """The networks for all groups of tasks, a seed of all sets at a time."""
    for seed, one in itertools.product(range(seeds), sets):
        cells = Cells(one, data, out)
        cells.complete(seed)
        for name, budget in itertools.product(FOR_ALL_GROUPS, BUDGETS):
            Method(name, cells).networks(seed, budget)
        print(f"{one.name} seed {seed}: done", flush=True)


def train_all(name: str, seed: int, data: Path, out: Path, wanted: tuple[str, ...]) -> None:
    """All missing cells of one set and seed."""
    cells = Cells((SETS | SMALL)[name], data, out)
    for method in methods(cells, wanted):
        for budget in BUDGETS:
            method.skill(seed, budget)
    print(f"{name} seed {seed}: done", flush=True)


if __name__ == "__main__":
    main()
