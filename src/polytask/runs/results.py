"""Numbers of a finished run: ours beside single-task models and one plain network for all."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..gain import gain, mean_relative
from ..task import Task
from ..training import TrainingResult

if TYPE_CHECKING:
    from .trainer import Trainer


def number(value: float) -> float | None:
    """A JSON number; null where undefined."""
    return value if math.isfinite(value) else None


def task_entry(task: Task, trained: TrainingResult, test: float, network: int) -> dict[str, Any]:
    """One task's entry in ``results.json``; ``weight`` is that of its loss in the last step, the user's included."""
    result = trained.tasks[task.name]
    return {
        "kind": task.kind,
        "metric": task.metric,
        "direction": task.metric_definition.direction,
        "validation": number(result.validation),
        "test": number(test),
        "best_epoch": result.best_epoch,
        "converged_epoch": result.converged_epoch,
        "peak": number(result.peak),
        "kept": number(result.kept),
        "network": network,
        "weight": number(trained.history[-1].weights[task.name]),
    }


def mean_gain(entries: dict[str, Any], baseline: dict[str, Any], trivial: dict[str, float | None]) -> float | None:
    """Mean of the tasks' relative gains on test over a baseline; ``trivial``: value of a constant prediction."""
    return mean_relative(
        gain(entry["test"], baseline[name]["test"], entry["direction"], trivial[name])
        for name, entry in entries.items()
        if name in baseline
    )


def baseline(result: TrainingResult, test: Mapping[str, float]) -> dict[str, Any]:
    """The entry of a baseline in ``results.json``."""
    return {
        name: {"validation": number(task.validation), "test": number(test[name])} for name, task in result.tasks.items()
    }


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
