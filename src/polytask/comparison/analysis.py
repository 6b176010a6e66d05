"""From the numbers of all runs to statistics: spreads, delta m, ranks, tests, costs and fronts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..task.gain import gain, sign, skill
from .significance import against, correct_all, over_setups
from .statistics import (
    bootstrap_interval,
    cliques,
    critical_range,
    delta_m,
    mean_ranks,
    pareto_front,
)

#: The layout of ``results.json``: 2 has levels, pairs and the smallest p-values, corrected over tasks.
FORMAT = 2
#: What delta m is relative to, if it is there.
DELTA_BASELINE = "single_task"
COSTS = ("seconds", "seconds_per_step", "parameters", "networks", "forwards", "backwards", "peak_memory")


def analyse(results: dict[str, Any]) -> dict[str, Any]:
    """The same results with ``statistics`` for every set-up and ``overall`` for all of them."""
    config = results["config"]
    results["format"] = FORMAT
    for setup in results["setups"].values():
        setup["statistics"] = _Analysis(setup, config).statistics()
    correct_all(results["setups"], config["level"])
    results["overall"] = _ranks(results["setups"], config) | {"tests": over_setups(results["setups"], config)}
    return results


class _Analysis:
    """One set-up."""

    def __init__(self, setup: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        self.tasks, self.methods = setup["tasks"], setup["methods"]
        self.config = config
        self.seeds = [str(seed) for seed in config["seeds"]]
        self.higher = [sign(task["direction"]) > 0 for task in self.tasks.values()]
        #: ``[methods, seeds, tasks]`` on test.
        self.test = {name: self._matrix(name, "test") for name in self.methods}

    def statistics(self) -> dict[str, Any]:
        delta = self._delta()
        costs = {name: self._cost(name) for name in self.methods}
        return {
            "tasks": {name: self._spreads(name) for name in self.methods},
            "kept": {name: _mean(self._matrix(name, "kept").ravel()) for name in self.methods},
            "skill": {name: self._skill(name) for name in self.methods},
            "levels": {task: self._level(position) for position, task in enumerate(self.tasks)},
            "delta_m": delta,
            "tests": self._tests(),
            "cost": costs,
            "fronts": {
                "parameters": self._front("parameters", costs, "network"),
                "total_seconds": self._front("total_seconds", costs, None),
            },
        }

    def _matrix(self, method: str, key: str) -> np.ndarray:
        seeds = self.methods[method]["seeds"]
        rows = [
            [_number(seeds.get(seed, {}).get("tasks", {}).get(task, {}).get(key)) for task in self.tasks]
            for seed in self.seeds
        ]
        return np.array(rows, dtype=float)

    def _spreads(self, method: str) -> dict[str, Any]:
        found = {}
        for position, task in enumerate(self.tasks):
            values = _known(self.test[method][:, position])
            found[task] = {"mean": _mean(values), "std": _std(values), "n": len(values)}
        return found

    def _level(self, position: int) -> dict[str, Any]:
        """What a task's values are to be seen beside: a constant prediction, and the best method that is no network."""
        trivial = [self._matrix(name, "trivial")[:, position] for name in self.methods]
        simple = {
            name: value
            for name, entry in self.methods.items()
            if entry["learner"] != "network"
            for value in [_mean(self.test[name][:, position])]
            if value is not None
        }
        best = (max if self.higher[position] else min)(simple, key=lambda name: simple[name], default=None)
        return {
            "trivial": _mean(np.concatenate(trivial)),
            "simple": None if best is None else {"method": best, "mean": simple[best]},
        }

    def _skills(self, method: str) -> np.ndarray:
        """``[seeds]`` mean skill of the tasks; NaN where a run failed or a metric is undefined."""
        trivial = self._matrix(method, "trivial")
        directions = [task["direction"] for task in self.tasks.values()]
        skills = [
            [skill(*values, least=-1.0) for values in zip(found, levels, directions, strict=True)]
            for found, levels in zip(self.test[method].tolist(), trivial.tolist(), strict=True)
        ]
        return np.array(skills).mean(1)

    def _skill(self, method: str) -> dict[str, Any]:
        return _interval(self._skills(method), self.config["level"])

    def _delta(self) -> dict[str, Any] | None:
        """Delta m of every method, seed by seed, over the tasks in which the baseline has always learned something."""
        if DELTA_BASELINE not in self.methods:
            return None
        base = self.test[DELTA_BASELINE]
        trivial = self._matrix(DELTA_BASELINE, "trivial")
        kept = [position for position, task in enumerate(self.tasks.values())
                if _is_scale(base[:, position], trivial[:, position], task["direction"])]  # fmt: skip
        names = list(self.tasks)
        left_out = [name for position, name in enumerate(names) if position not in kept]
        found: dict[str, Any] = {
            "rule": "100 % x mean over tasks of (value - baseline) / |baseline| on test, one metric per task, "
            "seed by seed",
            "sign": "higher is better",
            "baseline": DELTA_BASELINE,
            "left_out": left_out,
            "methods": {},
        }
        if not kept:
            return found
        higher = [self.higher[position] for position in kept]
        for method in self.methods:
            if method == DELTA_BASELINE:
                continue
            both = np.isfinite(self.test[method][:, kept]).all(1) & np.isfinite(base[:, kept]).all(1)
            values = np.full(len(self.seeds), np.nan)
            if both.any():
                values[both] = delta_m(self.test[method][both][:, kept], base[both][:, kept], higher).value
            found["methods"][method] = _interval(values, self.config["level"])
        return found

    def _tests(self) -> dict[str, Any]:
        """Every method against the reference: per task, and their mean skill; corrected later, over all set-ups."""
        reference = self.config["reference"]
        others = [name for name in self.methods if name != reference]
        if reference not in self.methods or not others:
            return {"reference": reference, "tasks": {}, "skill": {}}
        test = self.config["test"]
        tasks: dict[str, Any] = {}
        for position, task in enumerate(self.tasks):
            better = sign(self.tasks[task]["direction"])
            values = [better * self.test[name][:, position] for name in others]
            tasks[task] = against(others, values, better * self.test[reference][:, position], test)
        means = against(others, [self._skills(name) for name in others], self._skills(reference), test)
        return {"reference": reference, "tasks": tasks, "skill": means}

    def _cost(self, method: str) -> dict[str, Any]:
        runs = [run["cost"] for run in self.methods[method]["seeds"].values() if "cost" in run]
        found: dict[str, Any] = {key: _mean(_known([_number(run.get(key)) for run in runs])) for key in COSTS}
        tuning = sum(trial.get("seconds") or 0.0 for trial in self.methods[method]["trials"])
        found["tuning_seconds"] = tuning
        found["total_seconds"] = tuning + sum(run["seconds"] for run in runs)
        found["trials"] = len(self.methods[method]["trials"])
        found["failed"] = sum(
            bool(run["failure"]) for run in [*self.methods[method]["seeds"].values(), *self.methods[method]["trials"]]
        )
        return found

    def _front(self, cost: str, costs: Mapping[str, Mapping[str, Any]], learner: str | None) -> dict[str, Any]:
        """Methods that no other beats in both mean skill and a cost; trees have no parameters to compare."""
        names = [name for name in self.methods if learner in (None, self.methods[name]["learner"])]
        points = [(_number(costs[name][cost]), -_number(_mean(self._skills(name)))) for name in names]
        front: Sequence[bool] = pareto_front(points).tolist() if points else []
        return {"compared": names, "methods": [name for name, on in zip(names, front, strict=True) if on]}


def _ranks(setups: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Mean ranks of the methods that all set-ups have, over set-ups; of a single set-up over its seeds.

    In each of these units methods are ranked on every task, and the ranks averaged: tasks of one table are not
    independent, and cannot count one by one.
    """
    methods = [
        name for name in next(iter(setups.values()))["methods"] if all(name in s["methods"] for s in setups.values())
    ]
    blocks = [block for setup in setups.values() for block in _blocks(setup, methods, config, len(setups) > 1)]
    ranks = np.mean([mean_ranks(values, higher) for values, higher in blocks], axis=0)
    found: dict[str, Any] = {
        "mean_rank": dict(zip(methods, ranks.tolist(), strict=True)),
        "tasks": sum(len(setup["tasks"]) for setup in setups.values()),
        "unit": "set-up" if len(setups) > 1 else "seed",
        "blocks": len(blocks),
    }
    if len(methods) > 1 and len(blocks) > 1:
        difference = critical_range(len(methods), len(blocks), level=config["level"])
        found["critical_difference"] = difference
        found["cliques"] = [[methods[index] for index in group] for group in cliques(ranks.tolist(), difference)]
    return found


def _blocks(
    setup: Mapping[str, Any], methods: Sequence[str], config: Mapping[str, Any], whole: bool
) -> list[tuple[np.ndarray, list[bool]]]:
    """``[methods, tasks]`` values with the directions of the tasks: the means over seeds, or seed by seed."""
    higher = [sign(task["direction"]) > 0 for task in setup["tasks"].values()]
    if whole:
        spreads = setup["statistics"]["tasks"]
        means = [[_number(spreads[name][task]["mean"]) for task in setup["tasks"]] for name in methods]
        return [(np.array(means), higher)]
    analysis = _Analysis(setup, config)
    return [(np.array([analysis.test[name][seed] for name in methods]), higher) for seed in range(len(config["seeds"]))]


def _is_scale(values: np.ndarray, trivial: np.ndarray, direction: str) -> bool:
    """Whether a baseline can be what differences are relative to, see :mod:`polytask.task.gain`: in every seed, as one
    that is near trivial there would outweigh all others."""
    known = np.isfinite(values) & np.isfinite(trivial)
    gains = [gain(base, base, direction, level) for base, level in zip(values[known], trivial[known], strict=True)]
    return bool(gains) and all(found is not None and found.relative is not None for found in gains)


def _interval(values: np.ndarray, level: float) -> dict[str, Any]:
    interval = bootstrap_interval(values, level=1 - level)
    return {
        "seeds": [_json(value) for value in values],
        "mean": _json(interval.mean),
        "std": _std(_known(values)),
        "low": interval.low,
        "high": interval.high,
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _json(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _known(values: Iterable[float]) -> np.ndarray:
    array = np.asarray(list(values), dtype=float)
    return array[np.isfinite(array)]


def _mean(values: Iterable[float]) -> float | None:
    known = _known(values)
    return float(known.mean()) if len(known) else None


def _std(values: np.ndarray) -> float | None:
    """Sample standard deviation."""
    return float(values.std(ddof=1)) if len(values) > 1 else None
