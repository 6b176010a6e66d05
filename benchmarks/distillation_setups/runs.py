"""The runs of the benchmark: one line of a file each."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

import polytask as pt
from convergence_setups.setup import Data
from polytask.training import train_teacher, train_teachers
from polytask.training.evaluation import evaluate, trivial_levels
from polytask.training.single_task import teacher_of

from .methods import METHODS, SINGLE, Setting
from .setups import SETUPS

#: Set-up, method, setting, seed: one run.
Cell = tuple[str, str, Setting, int]
TUNING_SEEDS, SEEDS = (0, 1), 5
#: Of cross-fitted teachers.
FOLDS = 5


class Runs:
    """Records by cell, read from a file and added to it."""

    def __init__(self, data: Path, cache: Path, out: Path, jobs: int) -> None:
        self.folders, self.out, self.jobs = (data, cache), out, jobs
        self.found: dict[Cell, dict[str, Any]] = {}
        for line in out.read_text(encoding="utf-8").splitlines() if out.exists() else []:
            run = json.loads(line)
            self.found[run["setup"], run["method"], tuple(run["setting"]), run["seed"]] = run

    def complete(self, setup: str, methods: list[str], seeds: list[int]) -> None:
        """Tune the methods, then run them on all seeds. Single-task models first: they are the teachers of others."""
        if any(METHODS[name].taught for name in methods):
            methods = [SINGLE, *methods]
        methods = list(dict.fromkeys(sorted(methods, key=lambda name: name != SINGLE)))
        tuned = list(dict.fromkeys(METHODS[name].tuned_as or name for name in methods))
        for some in ([name for name in tuned if name == SINGLE], [name for name in tuned if name != SINGLE]):
            for seed in TUNING_SEEDS:
                self._make((setup, name, setting, seed) for name in some for setting in self.trials(setup, name, seed))
        for some in ([name for name in methods if name == SINGLE], [name for name in methods if name != SINGLE]):
            self._make((setup, trained_as(name), self.setting(setup, name), seed) for seed in seeds for name in some)

    def _make(self, cells: Iterable[Cell]) -> None:
        todo = [cell for cell in dict.fromkeys(cells) if cell not in self.found]
        parts = [(cell, *self.folders, self.out.parent / "teachers", self.chosen(cell[0], SINGLE)) for cell in todo]
        if self.jobs == 1:
            for part in parts:
                self._store(run_cell(*part))
            return
        with ProcessPoolExecutor(self.jobs, multiprocessing.get_context("spawn")) as pool:
            for future in as_completed([pool.submit(run_cell, *part) for part in parts]):
                self._store(future.result())

    def _store(self, run: dict[str, Any]) -> None:
        self.found[run["setup"], run["method"], tuple(run["setting"]), run["seed"]] = run
        with self.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(run) + "\n")
        print(f"{run['setup']} {run['method']} {run['setting']} seed {run['seed']}: {run['seconds']:.1f} s, "
              f"skill {fmean(run['skill'].values()):.4f}", flush=True)  # fmt: skip

    def trials(self, setup: str, method: str, seed: int) -> list[Setting]:
        """Settings that are tried with a tuning seed: all with the first, and with the next the better half."""
        everything = METHODS[method].grid(SETUPS[setup].learning_rates, SETUPS[setup].dropouts)
        if seed == TUNING_SEEDS[0]:
            return everything
        ranked = sorted(everything, key=lambda setting: -self.skill((setup, method, setting, TUNING_SEEDS[0])))
        return ranked[: (len(ranked) + 1) // 2]

    def skill(self, cell: Cell) -> float:
        """Mean skill on validation."""
        return fmean(self.found[cell]["skill"].values())

    def chosen(self, setup: str, method: str) -> Setting | None:
        """Of the settings that were tried with all tuning seeds the best; None if runs are missing."""
        method, scores = METHODS[method].tuned_as or method, {}
        for seed in TUNING_SEEDS:
            trials = [(setup, method, setting, seed) for setting in self.trials(setup, method, seed)]
            if any(cell not in self.found for cell in trials):
                return None
        for _, _, setting, _ in trials:
            scores[setting] = fmean(self.skill((setup, method, setting, seed)) for seed in TUNING_SEEDS)
        return max(scores, key=lambda setting: scores[setting])

    def setting(self, setup: str, method: str) -> Setting:
        """The same once the runs are there."""
        setting = (self.chosen_elsewhere if METHODS[method].elsewhere else self.chosen)(setup, method)
        assert setting is not None
        return setting

    def chosen_elsewhere(self, setup: str, method: str) -> Setting | None:
        """The choice that loses least on the other set-ups, with the best learning rate for it on this one."""
        method = trained_as(method)
        tried = {name: {setting: self.skill(cell) for setting in METHODS[method].grid(one.learning_rates, one.dropouts)
                        if (cell := (name, method, setting, TUNING_SEEDS[0])) in self.found}
                 for name, one in SETUPS.items()}  # fmt: skip
        others = [found for name, found in tried.items() if name != setup and found]
        if not others or not tried[setup]:
            return None

        def loss(choice: int) -> float:
            return fmean(max(found.values()) - max(v for s, v in found.items() if s[2] == choice) for found in others)

        best = min(range(len(METHODS[method].choices)), key=loss)
        own = {setting: value for setting, value in tried[setup].items() if setting[2] == best}
        return max(own, key=lambda setting: own[setting])

    def of_method(self, setup: str, method: str) -> dict[int, dict[str, Any]]:
        """Runs with the chosen setting by seed; empty if it has not been chosen."""
        setting = (self.chosen_elsewhere if METHODS[method].elsewhere else self.chosen)(setup, method)
        keys = ((setup, trained_as(method), setting, seed) for seed in range(SEEDS))
        return {key[-1]: self.found[key] for key in keys if key in self.found}


def trained_as(method: str) -> str:
    """The name of a method's runs."""
    return METHODS[method].tuned_as if METHODS[method].elsewhere else method


@lru_cache(maxsize=2)
def load(setup: str, data: Path, cache: Path, seed: int) -> Data:
    """One seed's data."""
    return SETUPS[setup].load(data, cache, seed)


def settings_of(setup: str, setting: Setting) -> pt.TrainingSettings:
    """The settings of every training."""
    one = SETUPS[setup]
    return pt.TrainingSettings(steps=one.steps, batch_size=one.batch_size, evaluate_every=one.evaluate_every,
                               learning_rate=setting[0], ema=0.98, threads=1, **one.extra)  # fmt: skip


def _cross_fitted(make: Callable[[pt.Task], pt.MultiTaskModel], tasks: Sequence[pt.Task], rows: dict[str, pt.Rows],
                  settings: pt.TrainingSettings, seed: int) -> dict[str, pt.Teacher]:  # fmt: skip
    """Teachers whose outputs for a fold of the training rows are by models that have learned from the other folds."""
    train, found = rows["train"], {}
    fold = torch.arange(len(train)) % FOLDS
    for position, task in enumerate(tasks):
        validation, parts = rows["validation"].only_tasks([position]), []
        for number in range(FOLDS):
            learned = train.subset((fold != number).nonzero()[:, 0]).only_tasks([position])
            result = train_teacher(make(task), train=learned, validation=validation, settings=settings, seed=seed)
            parts.append(teacher_of(result, task, train.subset((fold == number).nonzero()[:, 0])).outputs)
        outputs = torch.cat(parts)
        outputs[fold.argsort(stable=True)] = outputs.clone()  # the folds' rows in their places
        found[task.name] = pt.Teacher(outputs=outputs)
    return found


def run_cell(cell: Cell, data: Path, cache: Path, teachers: Path, taught_with: Setting | None) -> dict[str, Any]:
    """One run; also in a process of its own."""
    torch.set_num_threads(1)
    name, method_name, setting, seed = cell
    method, everything = METHODS[method_name], load(name, data, cache, seed)
    rows, tasks = everything.rows, everything.tasks
    record: dict[str, Any] = {"setup": name, "method": method_name, "setting": list(setting), "seed": seed}
    started, recorded = time.process_time(), {}
    if method.taught:
        own = setting if method_name == SINGLE or taught_with is None else taught_with
        folder = teachers / name / f"{own[0]:g}-{own[1]:g}-{seed}"

        def make(task: pt.Task) -> pt.MultiTaskModel:
            return everything.network((task,), seed, own[1])

        if method.cross_fitted:
            recorded = _cross_fitted(make, tasks, rows, settings_of(name, own), seed)
        else:
            recorded = train_teachers(
                make, tasks, train=rows["train"], validation=rows["validation"], settings=settings_of(name, own),
                seed=seed, folder=folder,
            )  # fmt: skip
    teaching = time.process_time() - started
    parts: dict[str, dict[str, float]] = {"validation": {}, "test": {}}
    if method_name == SINGLE:  # read what the teachers have kept
        for position, task in enumerate(tasks):
            alone = {part: rows[part].only_tasks([position]) for part in rows}
            kept = train_teacher(
                everything.network((task,), seed, setting[1]), train=alone["train"], validation=alone["validation"],
                settings=settings_of(name, setting), seed=seed, folder=folder / str(position),
            )  # fmt: skip
            for part in parts:
                parts[part] |= evaluate(kept.model, alone[part])
    else:
        result = pt.fit(
            everything.network(tasks, seed, setting[1]), train=rows["train"], validation=rows["validation"],
            balancer=method.make_balancer(setting[2]), callbacks=method.callbacks(recorded, setting[2]),
            settings=settings_of(name, setting), seed=seed,
        )  # fmt: skip
        parts = {part: evaluate(result.model, rows[part]) for part in ("validation", "test")}
    trivial = trivial_levels(tasks, rows["validation"])
    skill = {t.name: t.metric_definition.skill(parts["validation"][t.name], trivial[t.name]) for t in tasks}
    seconds = time.process_time() - started
    return record | parts | {"skill": skill, "seconds": seconds, "teaching": teaching,
                             "higher": [t.metric_definition.higher_is_better for t in tasks]}  # fmt: skip
