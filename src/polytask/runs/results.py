"""Numbers of a finished run: ours beside single-task models and one plain network for all."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..records.values import number
from ..task import Task
from ..task.gain import gain, mean_relative
from ..training import TrainingResult
from ..uncertainty import Estimate, interval

if TYPE_CHECKING:
    from .trainer import Trainer


def bounds(estimate: Estimate, tasks: int = 1) -> list[float] | None:
    """The 95 % interval of a value, null where it is undefined or rests on a single row.

    Args:
        estimate: The value.
        tasks: The intervals of so many tasks hold together with 95 % (Bonferroni).
    """
    low, high = interval(estimate, 1 - 0.05 / tasks) if estimate.counted > 1 else (math.nan, math.nan)
    return [low, high] if math.isfinite(low) and math.isfinite(high) else None


def task_entry(
    task: Task,
    trained: Sequence[TrainingResult],
    test: Estimate,
    networks: Sequence[int],
    trivial: float,
    validation: Estimate | None = None,
) -> dict[str, Any]:
    """One task's entry in ``results.json``; ``weight`` is that of its loss in the last step, the user's included.

    Args:
        task: The task.
        trained: Trainings of the networks that serve it; epochs, peak and weight are those of the first.
        test: Its test metric.
        networks: Numbers of these networks.
        trivial: Test metric of a constant prediction.
        validation: Validation metric of the networks' mean prediction.
    """
    result = trained[0].tasks[task.name]
    return {
        "kind": task.kind,
        "metric": task.metric,
        "direction": task.metric_definition.direction,
        "validation": number(result.validation if validation is None else validation.value),
        "test": number(test.value),
        "interval": bounds(test),
        "trivial": number(trivial),
        "learned": any(one.tasks[task.name].learned for one in trained),
        "metrics": {task.metric: number(test.value)},
        "best_epoch": result.best_epoch,
        "converged_epoch": result.converged_epoch,
        "peak": number(result.peak),
        "kept": number(result.kept) if math.isfinite(result.peak) else None,
        "network": networks[0],
        "networks": list(networks),
        "weight": number(trained[0].history[-1].weights[task.name]),
    }


def mean_gain(entries: dict[str, Any], baseline: dict[str, Any], trivial: dict[str, float | None]) -> float | None:
    """Mean of the tasks' relative gains on test over a baseline; ``trivial``: value of a constant prediction."""
    return mean_relative(
        gain(entry["test"], baseline[name]["test"], entry["direction"], trivial[name])
        for name, entry in entries.items()
        if name in baseline
    )


def baseline(
    result: TrainingResult, test: Mapping[str, Estimate], ours: Mapping[str, Estimate] | None = None
) -> dict[str, Any]:
    """The entry of a baseline in ``results.json``.

    Args:
        result: Its training.
        test: Its test metrics.
        ours: Those of the networks that the run serves: with them the entry has ``gain_interval``, the interval of
            their difference on the same rows, plus where ours are better; those of all tasks hold together with 95 %.
    """
    return {
        task.name: _level(task, result.tasks[task.name].validation, test[task.name], ours)
        for task in result.model.tasks
    }


def linear_baseline(
    found: Mapping[str, Mapping[str, Estimate]], tasks: Sequence[Task], ours: Mapping[str, Estimate]
) -> dict[str, Any]:
    """The entry of linear models in ``results.json``, like :func:`baseline`; tasks without one are left out.

    Args:
        found: Metrics by task, ``validation`` and ``test``.
        tasks: All tasks.
        ours: See :func:`baseline`.
    """
    return {
        task.name: _level(task, found[task.name]["validation"].value, found[task.name]["test"], ours)
        for task in tasks
        if task.name in found
    }


def _level(task: Task, validation: float, test: Estimate, ours: Mapping[str, Estimate] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"validation": number(validation), "test": number(test.value)}
    if ours is not None and task.name in ours:
        better = (ours[task.name] - test) * task.metric_definition.sign
        entry["gain_interval"] = bounds(better, len(ours))
    return entry


def totals_of(
    trainer: Trainer,
    networks: list[TrainingResult],
    entries: dict[str, Any],
    baselines: dict[str, Any],
    trivial: dict[str, float | None],
) -> dict[str, Any]:
    """What is true of the whole run, and gains over the baselines."""
    phases: dict[str, float] = {}
    for name, seconds in trainer.run.seconds.items():
        kind = re.sub(r"(_\d+)+$", "", name)
        phases[kind] = phases.get(kind, 0.0) + seconds
    return {
        "seconds": sum(phases.values()),
        "seconds_by_phase": phases,
        "rows": {part: len(rows) for part, rows in trainer.data.rows.items()},
        "networks": len(networks),
        "parameters": sum(p.numel() for result in networks for p in result.model.parameters()),
        "trivial": trivial,
        "steps": sum(result.steps for result in networks),
        "mean_gain_over_single_task": mean_gain(entries, baselines.get("single_task", {}), trivial),
        "mean_gain_over_all_in_one": mean_gain(entries, baselines.get("all_in_one", {}), trivial),
    }
