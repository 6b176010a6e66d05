"""Numbers of a finished run: ours beside single-task models and one plain network for all."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..models import MultiTaskModel
from ..records.values import number
from ..task import Task
from ..task.gain import gain, mean_relative, perfect
from ..uncertainty import Estimate, interval

if TYPE_CHECKING:
    from ..training import TrainingResult
    from .trainer import Trainer


@dataclass(frozen=True)
class Delivered:
    """A network that a run delivers.

    Attributes:
        model: The network.
        serves: The tasks that it predicts.
        training: Name of its training.
        result: What that gave; None for a network that is as it was in an earlier run.
        source: Folder of that network there.
    """

    model: MultiTaskModel
    serves: tuple[str, ...]
    training: str
    result: TrainingResult | None = None
    source: Path | None = None


def bounds(estimate: Estimate, tasks: int = 1, direction: str | None = None) -> list[float] | None:
    """The 95 % interval of a value, null where it is undefined or rests on a single row.

    Args:
        estimate: The value.
        tasks: The intervals of this many tasks hold together with 95 % (Bonferroni).
        direction: Of the metric whose value it is: the interval ends at a perfect value. Default: a difference.
    """
    low, high = interval(estimate, 1 - 0.05 / tasks) if estimate.counted > 1 else (math.nan, math.nan)
    if direction == "max":
        high = min(high, perfect(direction))
    elif direction == "min":
        low = max(low, perfect(direction))
    return [low, high] if math.isfinite(low) and math.isfinite(high) else None


def task_entry(
    task: Task,
    results: Sequence[TrainingResult | None],
    test: Estimate,
    networks: Sequence[int],
    trivial: float,
    served: Estimate | None = None,
    learned: bool = False,
) -> dict[str, Any]:
    """One task's entry in ``results.json``; ``weight`` is that of its loss in the last step, the user's included.

    Args:
        task: The task.
        results: Trainings of the networks that serve it, None for one that is as it was in an earlier run; epochs, peak
            and weight are those of the first.
        test: Its test metric.
        networks: Numbers of these networks.
        trivial: Test metric of a constant prediction.
        served: Validation metric of what is served; by default that of the first training.
        learned: Whether that is better than a constant beyond chance, whatever the trainings were.
    """
    trained = [result.tasks[task.name] for result in results if result is not None]
    first = results[0]
    own = None if first is None else first.tasks[task.name]
    value = served.value if served is not None else own.validation if own is not None else math.nan
    here = number(value)
    peak = here if own is None else number(own.peak)
    return {
        "kind": task.kind,
        "metric": task.metric,
        "direction": task.metric_definition.direction,
        "validation": here,
        "test": number(test.value),
        "interval": bounds(test, direction=task.metric_definition.direction),
        "trivial": number(trivial),
        "learned": learned or own is None or any(one.learned for one in trained),
        "metrics": {task.metric: number(test.value)},
        "best_epoch": 0.0 if own is None else own.best_epoch,
        "converged_epoch": 0.0 if own is None else own.converged_epoch,
        "peak": peak,
        "kept": None if here is None or peak is None else 1.0 if own is None else number(own.kept),
        "network": networks[0],
        "networks": list(dict.fromkeys(networks)),
        "weight": None if first is None else number(first.history[-1].weights[task.name]),
    }


def mean_gain(entries: dict[str, Any], baseline: dict[str, Any], trivial: dict[str, float | None]) -> float | None:
    """Mean of the tasks' relative gains on test over a baseline; ``trivial``: value of a constant prediction."""
    return mean_relative(
        gain(entry["test"], baseline[name]["test"], entry["direction"], trivial[name])
        for name, entry in entries.items()
        if name in baseline
    )


def baseline(
    found: Mapping[str, Mapping[str, Estimate]], tasks: Sequence[Task], ours: Mapping[str, Estimate]
) -> dict[str, Any]:
    """The entry of a baseline in ``results.json``; tasks without one are left out.

    Args:
        found: By task its metrics on ``validation`` and ``test``.
        tasks: The tasks.
        ours: Test metrics of the networks that the run serves: ``gain_interval`` is the interval of their difference on
            the same rows, plus where ours are better; those of all tasks hold together with 95 %.
    """
    return {
        task.name: _level(task, found[task.name]["validation"].value, found[task.name]["test"], ours)
        for task in tasks
        if task.name in found
    }


def _level(task: Task, validation: float, test: Estimate, ours: Mapping[str, Estimate]) -> dict[str, Any]:
    entry: dict[str, Any] = {"validation": number(validation), "test": number(test.value)}
    if task.name in ours:
        better = (ours[task.name] - test) * task.metric_definition.sign
        entry["gain_interval"] = bounds(better, len(ours))
    return entry


def totals_of(
    trainer: Trainer,
    networks: Sequence[Delivered],
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
        "parameters": sum(p.numel() for one in networks for p in one.model.parameters()),
        "trivial": trivial,
        "steps": sum(one.result.steps for one in networks if one.result is not None),
        "trainings": [one.training for one in networks],
        "mean_gain_over_single_task": mean_gain(entries, baselines.get("single_task", {}), trivial),
        "mean_gain_over_all_in_one": mean_gain(entries, baselines.get("all_in_one", {}), trivial),
    }
