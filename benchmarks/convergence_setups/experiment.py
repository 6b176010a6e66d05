"""All runs of a set-up: tuned, then repeated over seeds; each is stored as soon as it is done."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import torch

import polytask as pt

from .methods import METHODS, Method
from .record import train
from .rules import Record, mean, returned, series
from .setup import Data, Setup

#: Learning rate, dropout, and the number of a draw of static weights (0 where there is none).
Setting = tuple[float, float, int]
#: Name of a method as trained, its setting, and the seed: one run.
Cell = tuple[str, Setting, int]
TUNING_SEEDS = (0, 1)


class Experiment:
    """The runs of one set-up, made when they are asked for and missing.

    Args:
        data: Folder of the data.
        cache: Folder for sentence vectors.
        out: File of the records.
        seeds: Which seeds.
        jobs: Processes that train at the same time.
    """

    def __init__(self, setup: Setup, data: Path, cache: Path, out: Path, seeds: Sequence[int], jobs: int = 1) -> None:
        self.setup, self.out, self.seeds, self.jobs = setup, out, tuple(seeds), jobs
        self.folders = data, cache
        self.runs: dict[Cell, Record] = {}
        lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
        for run in map(json.loads, lines):
            if run["setup"] == setup.name:
                self.runs[self._key(run)] = run

    @staticmethod
    def _key(run: Record) -> Cell:
        return run["method"], (run["learning_rate"], run["dropout"], run["draw"]), run["seed"]

    @property
    def tasks(self) -> tuple[pt.Task, ...]:
        """The tasks."""
        return load(self.setup.name, *self.folders, self.seeds[0]).tasks

    def run(self, methods: Iterable[Method]) -> None:
        """Make all missing runs of some methods: first those that settings are chosen by, then those of all seeds."""
        methods = list(methods)
        tuned = [METHODS[method.tuned_as] if method.tuned_as else method for method in methods]
        self._make((m, setting, seed) for m in tuned for seed, setting in product(TUNING_SEEDS, self._grid(m)))
        draws = [method for method in methods if method.draws]
        self._make((m, setting, seed) for m in draws for seed, setting in product(TUNING_SEEDS, self._grid(m)))
        chosen = {method.name: self.chosen(method) for method in methods}
        self._make((m, setting, seed) for seed in self.seeds for m in methods if (setting := chosen[m.name]))

    def _grid(self, method: Method) -> list[Setting]:
        """The settings that a method is tuned on."""
        if not method.draws:
            return [(*pair, 0) for pair in product(self.setup.learning_rates, self.setup.dropouts)]
        chosen = self.chosen(METHODS[method.tuned_as])
        return [(*chosen[:2], draw) for draw in range(method.draws)] if chosen else []

    def _make(self, cells: Iterable[tuple[Method, Setting, int]]) -> None:
        """Train what is missing, and store every run when it is done."""
        missing = {(method.trained_as, setting, seed): None for method, setting, seed in cells}
        todo = [cell for cell in missing if cell not in self.runs]
        if self.jobs == 1:
            for cell in todo:
                self._store(train_cell(self.setup.name, *self.folders, cell))
            return
        with ProcessPoolExecutor(self.jobs, multiprocessing.get_context("spawn")) as pool:
            futures = [pool.submit(train_cell, self.setup.name, *self.folders, cell) for cell in todo]
            for future in as_completed(futures):
                self._store(future.result())

    def _store(self, run: Record) -> None:
        key = self._key(run)
        self.runs[key] = run
        with self.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(run) + "\n")
        print(f"{self.setup.name} {key}: {run['seconds']} s", flush=True)

    def chosen(self, method: Method) -> Setting | None:
        """The setting with the best mean validation score of the returned checkpoint; None if runs are missing."""
        source = METHODS[method.tuned_as] if method.tuned_as and not method.draws else method
        scores = {}
        for setting in self._grid(source):
            runs = [self.runs.get((source.trained_as, setting, seed)) for seed in TUNING_SEEDS]
            if any(run is None for run in runs):
                return None
            scores[setting] = np.mean([self.validation_score(run, source) for run in runs if run is not None])
        return max(scores, key=lambda setting: scores[setting], default=None)

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


@lru_cache(maxsize=2)
def load(setup: str, data: Path, cache: Path, seed: int) -> Data:
    """One seed's data."""
    from . import SETUPS

    return SETUPS[setup].load(data, cache, seed)


def train_cell(setup: str, data: Path, cache: Path, cell: Cell) -> Record:
    """One run; also in a process of its own."""
    from . import SETUPS

    torch.set_num_threads(1)
    name, setting, seed = cell
    return train(SETUPS[setup], load(setup, data, cache, seed), METHODS[name], *setting, seed)
