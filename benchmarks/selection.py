"""Time and score of the choice of networks, on random matrices: exact for up to 20 tasks, searched for more.

    python benchmarks/selection.py --tasks 9 12 14 --networks 4
    python benchmarks/selection.py --tasks 200 --networks 10 --rounds 10 100 --repeats 1
    python benchmarks/selection.py --tasks 200 --networks 10 --long 400 --repeats 1
    python benchmarks/selection.py --tasks 1000 --networks 100 --kinds planted --repeats 1

``--long``: how far below the best of ten searches of that many rounds, with other kicks, the result is.

``uniform``: independent values from 0 to 1; ``block``: three known groups and noise; ``ties``: zeros and ones only;
``planted``: as many groups as networks, which help each other by 1, and noise of 0.5. Their score is the last column.
"""

from __future__ import annotations

import argparse
import time
from itertools import product

import numpy as np

from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection import select_networks


def planted(tasks: int, groups: int, seed: int) -> tuple[np.ndarray, float]:
    """A matrix [tasks, tasks] with hidden groups of equal size, and the score of these groups."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(tasks) % groups)
    gains = (group[:, None] == group) + rng.normal(0, 0.5, (tasks, tasks))
    inside = (group[:, None] == group) & ~np.eye(tasks, dtype=bool)
    return gains, float(((gains * inside).sum(0) / inside.sum(0)).mean())


def matrix(kind: str, tasks: int, seed: int) -> np.ndarray:
    """A random matrix [tasks, tasks] of the given kind."""
    rng = np.random.default_rng(seed)
    if kind == "uniform":
        return rng.random((tasks, tasks))
    if kind == "ties":
        return rng.integers(0, 2, (tasks, tasks)).astype(float)
    group = rng.integers(0, 3, tasks)
    return (group[:, None] == group) - 0.2 + rng.normal(0, 0.3, (tasks, tasks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[9, 12, 14, 16], help="numbers of tasks")
    parser.add_argument("--networks", type=int, nargs="+", default=[4], help="budgets")
    parser.add_argument(
        "--kinds", nargs="+", choices=["uniform", "block", "ties", "planted"], default=["uniform", "block", "ties"]
    )
    parser.add_argument("--rounds", type=int, nargs="+", default=[None], help="rounds of a search")
    parser.add_argument("--long", type=int, help="rounds of each of ten long searches to compare with")
    parser.add_argument("--repeats", type=int, default=3, help="matrices per row; the median time is shown")
    arguments = parser.parse_args()
    columns = (
        "tasks",
        "networks",
        "matrix",
        "seconds",
        "score",
        "bound",
        "found",
        "optimal",
        "below the best of 10 long",
    )
    print(f"| {' | '.join(columns)} | planted |\n{'|---' * (len(columns) + 1)}|")
    for case in product(arguments.tasks, arguments.networks, arguments.kinds, arguments.rounds):
        print(row(*case, arguments.repeats, arguments.long), flush=True)


def row(tasks: int, networks: int, kind: str, rounds: int | None, repeats: int, long: int | None) -> str:
    """One row of the table: the median time, and the result of the last matrix."""
    seconds = []
    for seed in range(repeats):
        gains, truth = planted(tasks, networks, seed) if kind == "planted" else (matrix(kind, tasks, seed), None)
        affinity = Affinity(tuple(map(str, range(tasks))), gains)
        start = time.perf_counter()
        found = select_networks(affinity, networks, rounds=rounds)
        seconds.append(time.perf_counter() - start)
    below = "-"
    if long is not None:
        best = max(select_networks(affinity, networks, rounds=long, seed=seed).score for seed in range(100, 110))
        below = f"{100 * (best - found.score) / max(abs(best), 1e-12):.2f} %"
    return (
        f"| {tasks} | {networks} | {kind} | {np.median(seconds):.3f} | {found.score:.4f} | {found.bound:.4f} "
        f"| {len(found.networks)} | {'yes' if found.optimal else 'not proven'} | {below} "
        f"| {'-' if truth is None else f'{truth:.4f}'} |"
    )


if __name__ == "__main__":
    main()
