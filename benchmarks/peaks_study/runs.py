"""The runs: one line of a file each."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import Tensor

import polytask as pt
from convergence_setups.setup import Data
from polytask.training.evaluation import Evaluation, evaluate, trivial_levels
from polytask.training.loop import Training

from .methods import FOREVER, METHODS, Setting
from .sets import SETS

Run = dict[str, Any]
TUNING_SEEDS = (0, 1)


class Checkpoints(pt.Callback):
    """Keeps the parameters of every task's best evaluation, and of the best mean of the metrics."""

    name = "checkpoints"

    def __init__(self) -> None:
        self.best: dict[str, tuple[float, int]] = {}
        self.kept: dict[str, dict[str, Tensor]] = {}
        self.evaluations = 0

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        self.evaluations += 1
        signs = {task.name: task.metric_definition.sign for task in training.tasks}
        values = {name: signs[name] * value for name, value in evaluation.validation.items() if value == value}
        if len(values) == len(signs):
            values[""] = fmean(values.values())
        better = {name for name, value in values.items() if value > self.best.get(name, (-float("inf"), 0))[0]}
        if better:
            state = {name: value.clone() for name, value in training.evaluated.state_dict().items()}
            self.best |= {name: (values[name], self.evaluations) for name in better}
            self.kept |= dict.fromkeys(better, state)


class Runs:
    """Records by cell, read from a file and added to it."""

    def __init__(self, data: Path, cache: Path, out: Path) -> None:
        self.folders, self.out = (data, cache), out
        self.found: dict[tuple[str, str, Setting, int], Run] = {}
        for line in out.read_text(encoding="utf-8").splitlines() if out.exists() else []:
            self._add(json.loads(line))

    def _add(self, run: Run) -> None:
        self.found[run["set"], run["method"], tuple(run["setting"]), run["seed"]] = run

    def complete(self, name: str, methods: list[str], seeds: list[int]) -> None:
        """Tune: six settings on the first tuning seed, the better three on the next; then run all seeds."""
        for method in dict.fromkeys(METHODS[method].tuned_as or method for method in methods):
            for seed in TUNING_SEEDS:
                for setting in self._trials(name, method, seed):
                    self._make(name, method, setting, seed)
        for seed in seeds:
            for method in methods:
                self._make(name, method, self.chosen(name, method), seed)

    def _trials(self, name: str, method: str, seed: int) -> list[Setting]:
        everything = METHODS[method].grid(SETS[name].learning_rates, SETS[name].dropouts)
        if seed == TUNING_SEEDS[0]:
            return everything
        ranked = sorted(everything, key=lambda setting: -self._level(name, method, setting, TUNING_SEEDS[:1]))
        return ranked[: (len(ranked) + 1) // 2]

    def _level(self, name: str, method: str, setting: Setting, seeds: tuple[int, ...]) -> float:
        """Mean skill on validation of the returned checkpoint."""
        return fmean(self.found[name, method, setting, seed]["level"] for seed in seeds)

    def chosen(self, name: str, method: str) -> Setting:
        """The best of the settings that were tried with all tuning seeds; KeyError if some are missing."""
        method = METHODS[method].tuned_as or method
        trials = self._trials(name, method, TUNING_SEEDS[1])
        return max(trials, key=lambda setting: self._level(name, method, setting, TUNING_SEEDS))

    def of(self, name: str, method: str) -> dict[int, Run]:
        """Runs with the chosen setting by seed."""
        try:
            setting = self.chosen(name, method)
        except KeyError:
            return {}
        return {key[3]: run for key, run in self.found.items() if key[:3] == (name, method, setting)}

    def _make(self, name: str, method: str, setting: Setting, seed: int) -> None:
        if (name, method, setting, seed) in self.found:
            return
        slowest: list[str] = []
        if METHODS[method].converge == "sequential":
            at = self.found[name, "equal", self.chosen(name, "equal"), seed]["peaks"]
            slowest = sorted(at, key=lambda task: -at[task][0])
        run = train(name, method, setting, seed, load(name, *self.folders, seed), slowest)
        self._add(run)
        with self.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(run) + "\n")
        print(f"{name} {method} {setting} seed {seed}: {run['seconds']:.1f} s, {run['level']:.4f}", flush=True)


@lru_cache(maxsize=2)
def load(name: str, data: Path, cache: Path, seed: int) -> Data:
    return SETS[name].load(data, cache, seed)


def train(name: str, method: str, setting: Setting, seed: int, data: Data, slowest: list[str]) -> Run:
    """One training, and test metrics of what it returns; of a plain one also of its other checkpoints."""
    one, how, rows = SETS[name], METHODS[method], data.rows
    plain = {} if how.converge else {"patience": FOREVER}
    settings = pt.TrainingSettings(steps=one.steps, batch_size=one.batch_size, evaluate_every=one.evaluate_every,
                                   learning_rate=setting[0], ema=0.98, threads=1, **plain, **one.extra)  # fmt: skip
    callbacks, watch = how.callbacks(slowest), Checkpoints()
    started = time.process_time()
    result = pt.fit(
        data.network(data.tasks, seed, setting[1]), train=rows["train"], validation=rows["validation"],
        balancer=how.make_balancer(setting[2]), callbacks=[*callbacks, *([] if how.converge else [watch])],
        settings=settings, seed=seed,
    )  # fmt: skip
    seconds = time.process_time() - started
    parts = {part: evaluate(result.model, rows[part]) for part in ("validation", "test")}
    trivial = {part: trivial_levels(data.tasks, rows[part]) for part in parts}

    def skills(part: str, values: dict[str, float]) -> dict[str, float]:
        found = {t.name: t.metric_definition.skill(values[t.name], trivial[part][t.name]) for t in data.tasks}
        return {task: max(-1.0, value) for task, value in found.items()}

    run: Run = {"set": name, "method": method, "setting": list(setting), "seed": seed, "seconds": round(seconds, 2),
                "steps": result.steps, "level": fmean(skills("validation", parts["validation"]).values()),
                "test": parts["test"], "skill": skills("test", parts["test"])}  # fmt: skip
    if how.converge:
        return run | {"converged": {task: at for each in callbacks for task, at in each.converged_at.items()}}
    network, own = data.network(data.tasks, seed, setting[1]), {}
    for task in ("", *(task.name for task in data.tasks)):
        network.load_state_dict(watch.kept[task])
        values = evaluate(network, rows["test"])
        own |= {"": values} if task == "" else {task: values[task]}
    by_metric = own.pop("")
    signs = {task.name: task.metric_definition.sign for task in data.tasks}
    validation = skills("validation", {task: signs[task] * watch.best[task][0] for task in own})
    return run | {
        "own": {"test": own, "skill": skills("test", own)},
        "by_metric": {"test": by_metric, "skill": skills("test", by_metric)},
        "peaks": {task: [watch.best[task][1] / watch.evaluations, validation[task]] for task in own},
        "kept": fmean(validation.values()) - run["level"],
    }
