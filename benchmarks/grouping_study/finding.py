"""How long it takes to find networks: one training that measures affinity, against all singles and pairs."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from polytask.grouping import select_networks
from polytask.grouping.strategies import GROUPINGS, Context

from .cells import Cells, affinity_of
from .methods import BUDGETS
from .sets import Set


def finding_time(one: Set, data: Path, seed: int, repeats: int) -> str:
    """One row of a table, in CPU seconds of one process.

    Everything that higher-order approximation (HOA) needs is trained: all singles and pairs. Between them, so that
    other work on the machine weighs on both alike, ``repeats`` joint trainings with the default estimator, each with
    its choice of networks, and as many without; their medians count.
    """
    cells = Cells(one, data, Path("nowhere"))
    names = cells.names()
    cells.data(seed)
    subsets = [(name,) for name in names] + list(itertools.combinations(names, 2))
    skills: dict[tuple[str, ...], dict[str, float]] = {}

    def measure_and_choose() -> None:
        affinity = affinity_of(cells.trained(names, seed, "default"))
        for budget in BUDGETS:
            select_networks(affinity, budget)

    def train(some: Sequence[tuple[str, ...]]) -> None:
        skills.update({subset: cells.trained(subset, seed)["validation"] for subset in some})

    ours, plain, theirs = [], [], 0.0
    for part in range(repeats):
        ours.append(_seconds(measure_and_choose))
        plain.append(_seconds(partial(cells.trained, names, seed)))
        theirs += _seconds(partial(train, subsets[part::repeats]))
    context = Context(names, list(BUDGETS), None, lambda tasks: skills[tuple(tasks)], seed=seed)
    theirs += _seconds(partial(GROUPINGS["hoa"].propose, context))
    found = statistics.median(ours)
    return (
        f"| {one.name} | {len(names)} | {found:.2f} | {statistics.median(plain):.2f} | {len(subsets)} | {theirs:.1f} "
        f"| {theirs / found:.1f} |"
    )


HEAD = """| set | tasks | default, CPU s | training alone, CPU s | trainings of HOA | HOA, CPU s | times faster |
|---|---|---|---|---|---|---|"""


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
