"""What is read from the record of a run: which evaluation is returned, and how good it is.

Choices use validation only. All metrics of the set-ups are better when higher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import polytask as pt
from polytask.training.common_checkpoint import CommonCheckpoint

from .methods import FOREVER, Method

Record = dict[str, Any]
#: The library's default.
PATIENCE = pt.AsynchronousConvergence().patience


def series(run: Record, method: Method, part: str) -> list[dict[str, float]]:
    """Metrics by task at every evaluation, of the parameters or of their moving average."""
    return run[f"ema_{part}" if method.average else part]


def end(run: Record, method: Method, tasks: Sequence[pt.Task]) -> int:
    """Number of evaluations until the training ends by itself: ``tail`` after the last task has converged.

    Records go on to the end of the budget; a training without convergence does, too.
    """
    values = run["validation"]
    if method.joint is None or len(run["switched"]) < len(tasks):
        return len(values)
    tail = method.joint.get("tail", 2 * method.joint.get("patience", PATIENCE))
    return min(len(values), max(run["switched"].values()) // run["evaluate_every"] + tail)


def returned(run: Record, method: Method, tasks: Sequence[pt.Task]) -> int:
    """Index of the evaluation whose parameters the library returns: the best common checkpoint.

    With convergence it is chosen once at most one task still learns from its own labels.
    """
    common = CommonCheckpoint(tasks, run["trivial"])
    switched = run["switched"]
    for index, values in enumerate(series(run, method, "validation")[: end(run, method, tasks)]):
        step = (index + 1) * run["evaluate_every"]
        frozen = [name for name, at in switched.items() if at < step]
        rank = int(sum(at <= step for at in switched.values()) >= max(1, len(tasks) - 1))
        common.update(index, values, rank, frozen)
    return common.step


def own(run: Record, method: Method, tasks: Sequence[pt.Task]) -> dict[str, int]:
    """Every task's best evaluation on validation: one checkpoint per task."""
    values = series(run, method, "validation")
    return {
        task.name: max(range(len(values)), key=lambda i, task=task: np.nan_to_num(values[i][task.name], nan=-np.inf))
        for task in tasks
    }


def mean(values: dict[str, float]) -> float:
    """Mean over tasks."""
    return float(np.mean(list(values.values())))


def kept(run: Record, method: Method, tasks: Sequence[pt.Task]) -> dict[str, float]:
    """Share of each task's peak on validation that the returned parameters keep; ``metric / peak``.

    With convergence only of tasks that had converged by then; their peak is the best value up to the switch.
    """
    every = run["evaluate_every"]
    values = series(run, method, "validation")[: end(run, method, tasks)]
    index = returned(run, method, tasks)
    shares = {}
    for task in tasks:
        until = run["switched"].get(task.name, FOREVER if not method.plain else len(values) * every) // every
        peak = max(value[task.name] for value in values[:until])
        if until <= index + 1 or method.plain:
            shares[task.name] = values[index][task.name] / peak if peak > 0 else 1.0
    return shares
