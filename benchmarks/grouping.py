"""What grouping is worth: networks chosen by affinity, by pairs, at random, against one for all and one per task.

    python benchmarks/grouping.py run --data DATA --out cells.jsonl --sets wq rf1 --seeds 5 [--jobs 2]
    python benchmarks/grouping.py table --data DATA --out cells.jsonl --sets wq rf1
    python benchmarks/grouping.py finding --data DATA --sets tox21

DATA (or the environment variable POLYTASK_DATA) holds ``mtr``, ``tox21`` and ``multilabel``. Every network has the same
shape and the same number of steps. Cells (set, tasks, seed) are trained once, shared by all methods and stored at once,
so ``run`` may be stopped and continued at any time. A task is taken from the network that is best for it on validation;
figures are the mean skill on test (0: a constant, 1: perfect). ``finding`` measures how much faster than pairs (HOA)
the default estimator finds networks, in CPU time of one process; it trains again what it measures.
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
from grouping_study.methods import BUDGETS, METHODS, methods, result
from grouping_study.sets import SETS, SMALL
from grouping_study.table import table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "table", "finding", "all"])
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="folder of the data sets")
    parser.add_argument("--out", type=Path, help="file of the cells")
    parser.add_argument("--sets", nargs="+", choices=[*SETS, *SMALL], help="by default all that the action is for")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[m for m in METHODS if m != "exhaustive"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="processes; each takes a seed at a time")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data: say where the data are, or set POLYTASK_DATA")
    every = SETS | SMALL
    names = arguments.sets or list(SMALL if arguments.action == "all" else SETS)
    if arguments.action == "finding":
        print(HEAD)
        for name in names:
            print(finding_time(every[name], arguments.data, 0, repeats=5), flush=True)
        return
    if arguments.out is None:
        parser.error("--out: say where the cells are kept")
    if arguments.action == "table":
        print(
            table(
                [Cells(every[name], arguments.data, arguments.out, train=False) for name in names],
                arguments.methods,
            )
        )
        return
    if arguments.action == "all":
        every_group(names, arguments.seeds, arguments.data, arguments.out)
        return
    work = [(name, seed, arguments.data, arguments.out, tuple(arguments.methods))
            for name in names for seed in range(arguments.seeds)]  # fmt: skip
    if arguments.jobs == 1:
        for one in work:
            train_all(*one)
        return
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        for job in [pool.submit(train_all, *one) for one in work]:
            job.result()


def every_group(names: list[str], seeds: int, data: Path, out: Path) -> None:
    """The networks for all groups of tasks of small sets, a seed of all sets at a time."""
    for seed, name in itertools.product(range(seeds), names):
        Cells(SMALL[name], data, out).complete(seed)
        print(f"{name} seed {seed}: done", flush=True)


def train_all(name: str, seed: int, data: Path, out: Path, wanted: tuple[str, ...]) -> None:
    """All missing cells of one set and seed."""
    cells = Cells((SETS | SMALL)[name], data, out)
    for method in methods(cells, wanted):
        for budget in BUDGETS:
            for networks in method.networks(seed, budget):
                result(cells, networks, seed)
    print(f"{name} seed {seed}: done", flush=True)


if __name__ == "__main__":
    main()
