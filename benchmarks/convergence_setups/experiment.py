"""All runs of a set-up: tuned, then repeated over seeds; each is stored as soon as it is done."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np

import polytask as pt

from .methods import METHODS, Method
from .record import train
from .rules import Record, mean, returned, series
from .setup import Setup

Setting = tuple[float, float]
TUNING_SEEDS = (0, 1)


class Experiment:
    """The runs of one set-up, made when they are asked for and missing.

    Args:
        data: Folder of the data.
        cache: Folder for sentence vectors.
        out: File of the records.
        seeds: Number of seeds.
    """

    def __init__(self, setup: Setup, data: Path, cache: Path, out: Path, seeds: int) -> None:
        self.setup, self.out, self.seeds = setup, out, range(seeds)
        self.data = lru_cache(maxsize=2)(lambda seed: setup.load(data, cache, seed))
        self.runs: dict[tuple[str, Setting, int], Record] = {}
        lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
        for run in map(json.loads, lines):
            if run["setup"] == setup.name:
                self.runs[self._key(run)] = run

    @staticmethod
    def _key(run: Record) -> tuple[str, Setting, int]:
        return run["method"], (run["learning_rate"], run["dropout"]), run["seed"]

    @property
    def tasks(self) -> tuple[pt.Task, ...]:
        """The tasks."""
        return self.data(0).tasks

    def run(self, method: Method) -> None:
        """Make all runs of a method that are missing."""
        if not method.tuned_as:
            for seed, setting in product(TUNING_SEEDS, self._grid()):
                self._need(method, setting, seed)
        setting = self.chosen(method)
        if setting is None:
            raise SystemExit(f"{method.name}: run {method.tuned_as} before")
        for seed in self.seeds:
            self._need(method, setting, seed)
        print(f"{self.setup.name} {method.name}: done at {setting}", flush=True)

    def _grid(self) -> list[Setting]:
        return list(product(self.setup.learning_rates, self.setup.dropouts))

    def _need(self, method: Method, setting: Setting, seed: int) -> None:
        if (method.trained_as, setting, seed) in self.runs:
            return
        run = train(self.setup, self.data(seed), method, *setting, seed)
        self.runs[self._key(run)] = run
        with self.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(run) + "\n")
        print(f"{self.setup.name} {method.trained_as} {setting} seed {seed}: {run['seconds']} s", flush=True)

    def chosen(self, method: Method) -> Setting | None:
        """The setting with the best mean validation score of the returned checkpoint; None if runs are missing."""
        source = METHODS[method.tuned_as] if method.tuned_as else method
        scores = {}
        for setting in self._grid():
            runs = [self.runs.get((source.trained_as, setting, seed)) for seed in TUNING_SEEDS]
            if any(run is None for run in runs):
                return None
            scores[setting] = np.mean([self.validation_score(run, source) for run in runs if run is not None])
        return max(scores, key=lambda setting: scores[setting])

    def validation_score(self, run: Record, method: Method) -> float:
        """Mean over tasks at the returned evaluation."""
        index = returned(run, method, self.tasks)
        return mean(series(run, method, "validation")[index])

    def complete(self, method: Method) -> list[Record]:
        """The runs of a method on all seeds at its setting, in the order of the seeds; empty if some are missing."""
        setting = self.chosen(method)
        if setting is None:
            return []
        runs = [self.runs.get((method.trained_as, setting, seed)) for seed in self.seeds]
        return [run for run in runs if run is not None] if all(run is not None for run in runs) else []
