"""How the models of an ensemble should be weighted: rules on equal candidates, judged on test.

    python benchmarks/mixing_rules.py train --sets slump edm --seeds 0 1 --out mixed
    python benchmarks/mixing_rules.py report --out mixed

`train` makes a run of the preset `best` per set and seed, and keeps what every candidate predicts for held-out and for
test rows, in FOLDER/SET.SEED.pt; runs that are there are not repeated. `report` chooses weights by each rule on the
held-out rows and compares mean skills on the test split with those of equal weights. POLYTASK_DATA names the data.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from polytask.comparison.datasets.registry import with_dataset
from polytask.config import make_config
from polytask.runs import fit_run
from polytask.runs.averaged import Outputs
from polytask.runs.candidates import ensemble, make
from polytask.runs.candidates.ensemble import NETWORKS, JudgedCandidate
from polytask.runs.candidates.mixing import Judged, Shares, choose_shares, mixed
from polytask.runs.keep import mean_difference, skill_estimate
from polytask.runs.trainer import Trainer
from quality import SETS
from sets_and_seeds import table

#: Of every task what candidates predict for rows that they have not learned from.
Held = Mapping[str, Judged]


def train(name: str, seed: int, path: Path) -> None:
    """One run, with what its candidates predict in a file."""
    choose, mix, fitted = ensemble.choose_shares, make.mix, make.family_candidate
    judged: dict[str, Judged] = {}
    models: dict[str, Any] = {}

    def family(trainer: Trainer, one: Any, data: Any, pool: Mapping[str, Any]) -> JudgedCandidate | None:
        found = fitted(trainer, one, data, pool)
        models.update((training, trained.result.model) for training, trained in pool.items())
        return found

    def shares(found: Held) -> dict[str, Shares]:
        judged.update(found)
        return choose(found)

    def keep(trainer: Trainer, data: Any, served: Any, candidates: Sequence[JudgedCandidate]) -> Any:
        found = mix(trainer, data, served, candidates)
        outputs = Outputs(trainer.data.rows["test"], trainer.data.tasks, models)
        test = {
            task: Judged(one.task, {c.name: outputs.labelled(task, c.models[task])[0] for c in candidates
                                    if task in c.models}, *outputs.labelled(task, _any(candidates, task))[1:])
            for task, one in judged.items()
        }  # fmt: skip
        torch.save({"held": judged, "test": test}, path)
        return found

    folder = path.with_suffix(".run")
    ensemble.choose_shares, make.mix, make.family_candidate = shares, keep, family
    try:
        keys = with_dataset({"dataset": name}, folder) | {"seed": seed, "preset": "best"}
        fit_run(make_config(keys), folder / "run")
    finally:
        ensemble.choose_shares, make.mix, make.family_candidate = choose, mix, fitted
        shutil.rmtree(folder)


def _any(candidates: Sequence[JudgedCandidate], task: str) -> tuple[str, ...]:
    return next(one.models[task] for one in candidates if task in one.models)


def equal(held: Held) -> dict[str, Shares]:
    """The mean of all candidates."""
    return {name: dict.fromkeys(one.outputs, 1) for name, one in held.items()}


def networks(held: Held) -> dict[str, Shares]:
    """The networks alone."""
    return {name: {NETWORKS: 1} for name in held}


def each(held: Held) -> dict[str, Shares]:
    """Weights move for each task alone."""
    return {name: choose_shares({name: one})[name] for name, one in held.items()}


def near(held: Held) -> dict[str, Shares]:
    """The mean of the candidates that are within one paired standard error of the best in the mean over tasks."""
    names = [name for name in next(iter(held.values())).outputs if all(name in one.outputs for one in held.values())]
    skills = {
        name: {task: skill_estimate(one.task, one.outputs[name], one.targets, one.ids) for task, one in held.items()}
        for name in names
    }
    best = max(names, key=lambda name: mean_difference(skills[names[0]], skills[name]).value)
    behind = {name: mean_difference(skills[name], skills[best]) for name in names}
    return {task: {name: 1 for name in names if behind[name].value <= behind[name].error} for task in held}


RULES: dict[str, Callable[[Held], dict[str, Shares]]] = {
    "all tasks, then each": choose_shares,
    "equal weights": equal,
    "each task alone": each,
    "mean of the near best": near,
    "networks alone": networks,
}


def test_skill(test: Held, shares: Mapping[str, Shares]) -> float:
    """Mean skill over the tasks."""
    found = [
        skill_estimate(one.task, mixed(one.task, one.outputs, one.among(shares[name])), one.targets, one.ids).value
        for name, one in test.items()
    ]
    return fmean(value for value in found if value == value)


def report(files: Sequence[Path]) -> None:
    """Print what the rules are worth by set."""
    lines = []
    for path in files:
        name, seed, _ = path.name.split(".")
        kept = torch.load(path, weights_only=False)
        skill = {rule: test_skill(kept["test"], choose(kept["held"])) for rule, choose in RULES.items()}
        lines.append({"set": name, "seed": int(seed), "skill": skill})
    ours, *others = RULES
    table(ours, [(line, line) for line in lines], {f"- {other}": (ours, other) for other in others})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "report"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS[:9]), metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("mixed"), metavar="FOLDER")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.command == "report":
        report(sorted(arguments.out.glob("*.pt")))
        return
    for seed in arguments.seeds:
        for name in arguments.sets:
            path = arguments.out / f"{name}.{seed}.pt"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                train(name, seed, path)


if __name__ == "__main__":
    main()
