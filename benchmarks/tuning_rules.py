"""When `polytask tune` should leave the settings that it began with: rules for the choice among trials.

    python benchmarks/tuning_rules.py run --sets jura wq --seeds 0 1 2 --out tuning.jsonl
    python benchmarks/tuning_rules.py report --out tuning.jsonl

One network for all targets, as `polytask fit --networks 1 --no-baselines` trains it, with the settings of `fit` and
with ten others that are drawn from the ranges that `tune` searches by default. Rules see the skills on validation, and
are measured by the mean skill on test of what they choose. A set, seed and trial are a line of the file; lines that are
there are not repeated. POLYTASK_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from decisions import LARGE, SMALL, fit_here, keys_of, skills
from polytask.comparison.space import LEARNING_RATE, WEIGHT_DECAY
from polytask.config import make_config
from polytask.runs.averaged import Outputs
from polytask.runs.bundle import Bundle
from polytask.runs.keep import Skills, mean_difference, skill_estimate
from polytask.runs.preparation.prepare import prepare
from polytask.uncertainty import Estimate, exceeds
from sets_and_seeds import Line, read_lines, table

TRIALS = 10
#: Trials by number; 0 is what the search begins with.
Trials = Mapping[int, Skills]


def settings_of(trial: int) -> dict[str, float]:
    """The settings of a trial, the same for all sets and seeds."""
    if not trial:
        return {}
    draw = np.random.default_rng(trial)
    ranges = {"learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY}
    return {
        key: math.exp(draw.uniform(math.log(found.low or 0), math.log(found.high or 0)))
        for key, found in ranges.items()
    }


def run(name: str, seed: int, trial: int) -> Line:
    """Mean skill on test, and skills on validation with what blocks of rows contribute."""
    with tempfile.TemporaryDirectory() as folder:
        keys = keys_of(name, Path(folder)) | {"seed": seed, "networks": 1, "baselines": False} | settings_of(trial)
        results = fit_here(keys, Path(folder) / "run")
        data, bundle = prepare(make_config(keys)), Bundle.load(Path(folder) / "run")
        outputs = Outputs(data.rows["validation"], data.tasks, {0: bundle.networks[0]})
        found = {task.name: skill_estimate(task, *outputs.counted(task.name, [0])) for task in data.tasks}
    return {
        "test": fmean(value for value in skills(results["tasks"], results).values() if value is not None),
        "validation": {
            task: {"value": one.value, "blocks": one.blocks.tolist(), "counted": one.counted}
            for task, one in found.items()
        },
    }


def highest(trials: Trials, among: Callable[[Estimate], bool] = lambda gain: True) -> int:
    """The trial that is best in the mean, among those whose difference to the first is believed."""
    gains = {trial: mean_difference(trials[0], found) for trial, found in trials.items()}
    return max((trial for trial in gains if not trial or among(gains[trial])), key=lambda trial: gains[trial].value)


def beyond(level: float) -> Callable[[Trials], int]:
    """The best of the trials that are better than the first beyond chance."""
    return lambda trials: highest(trials, lambda gain: exceeds(gain, level, looks=len(trials) - 1))


RULES: dict[str, Callable[[Trials], int]] = {
    "base": lambda trials: 0,
    "highest": highest,
    "one error": lambda trials: highest(trials, lambda gain: gain.value > gain.error),
    "beyond chance, 5 %": beyond(0.05),
    "beyond chance, 1 %": beyond(0.01),
}


def report(lines: list[Line]) -> None:
    """What the rules choose, on test, less the settings that the search began with."""
    found: dict[tuple[str, int], dict[int, Line]] = {}
    for line in lines:
        found.setdefault((line["set"], line["seed"]), {})[line["trial"]] = line
    chosen: list[dict[str, Any]] = []
    moved = dict.fromkeys(RULES, 0)
    for (name, seed), trials in found.items():
        if len(trials) != TRIALS + 1:
            continue
        known = {trial: {task: _estimate(one) for task, one in line["validation"].items()}
                 for trial, line in trials.items()}  # fmt: skip
        choices = {rule: choose(known) for rule, choose in RULES.items()}
        for rule, trial in choices.items():
            moved[rule] += trial != 0
        skill = {rule: trials[trial]["test"] for rule, trial in choices.items()}
        chosen.append({"set": name, "seed": seed, "skill": skill})
    first, *others = RULES
    table(first, [(line, line) for line in chosen], {rule: (rule, first) for rule in others})
    print(f"\nSearches that leave the settings they began with, of {len(chosen)}: {moved}")


def _estimate(one: Mapping[str, Any]) -> Estimate:
    return Estimate(one["value"], torch.tensor(one["blocks"], dtype=torch.float64), one["counted"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--sets", nargs="+", choices=[*SMALL, *LARGE], default=list(SMALL), metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("tuning.jsonl"))
    arguments = parser.parse_args()
    done = read_lines(arguments.out)
    if arguments.command == "report":
        report(done)
        return
    torch.set_num_threads(1)
    known = {(line["set"], line["seed"], line["trial"]) for line in done}
    for seed in arguments.seeds:
        for name in arguments.sets:
            for trial in range(TRIALS + 1):
                if (name, seed, trial) not in known:
                    line = {"set": name, "seed": seed, "trial": trial, **run(name, seed, trial)}
                    with arguments.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
