"""What the choice among trained candidates is worth, over many draws of the validation rows.

    python benchmarks/serving_rules.py train --sets jura wq --seeds 0 --out FOLDER
    python benchmarks/serving_rules.py report --out FOLDER [--draws 40]

`train` makes the runs of `decisions.py` and keeps the outputs of every trained network for validation and test rows,
and the lines of `decisions.py` in FOLDER/decisions.jsonl.
`report` pools these rows and splits them again, many times: each rule sees one part and is measured on the other. No
network has trained on any of them; that validation has chosen checkpoints favours all candidates alike.
POLYTASK_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from decisions import LARGE, SMALL
from decisions import run as run_fit
from polytask.comparison.statistics.paired import sign_flip_p
from polytask.runs import fresh
from polytask.runs.averaged import Outputs
from polytask.runs.keep import Skills, best_plan, mean_difference, near_best, skill_estimate, surely_better
from polytask.runs.served import TITLES, Serving, Trained, candidate_plans, mean_of
from polytask.runs.trainer import Trainer
from sets_and_seeds import interval


def train(name: str, seed: int, path: Path, options: dict[str, Any]) -> None:
    """One run, with the outputs of everything that it trains in a file, and its line."""
    choose = fresh.choose_served

    def keep(trainer: Trainer, *trained: Any) -> list[Trained]:
        if trainer.config.networks != "auto":
            return choose(trainer, *trained)
        plans = candidate_plans(trainer, *trained)
        every = {one.network.training: one.result.model for plan in plans.values() for one in plan}
        parts = [Outputs(trainer.data.rows[part], trainer.data.tasks, every) for part in ("validation", "test")]
        before = len(trainer.data.rows["validation"])
        outputs = {
            training: {task.name: _joined(*(part.labelled(task.name, [training]) for part in parts), before)
                       for task in model.tasks}
            for training, model in every.items()
        }  # fmt: skip
        serving = {
            name: {task: (one.network.training,) for one in plan for task in one.network.serves}
            for name, plan in plans.items()
        }
        sizes = [before, len(trainer.data.rows["test"])]
        torch.save({"plans": serving, "tasks": trainer.data.tasks, "outputs": outputs, "sizes": sizes}, path)
        return choose(trainer, *trained)

    fresh.choose_served = keep
    try:
        line = run_fit(name, seed, {"networks": "auto"} | options)
        with (path.parent / "decisions.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
    finally:
        fresh.choose_served = choose


def _joined(first: tuple[Tensor, ...], second: tuple[Tensor, ...], before: int) -> tuple[Tensor, ...]:
    moved = (second[0], second[1], second[2] + before)
    return tuple(torch.cat([a, b]) for a, b in zip(first, moved, strict=True))


class Draw:
    """Skills on one part of the rows of what networks predict, alone or in the mean."""

    def __init__(self, kept: Mapping[str, Any], rows: Tensor) -> None:
        self.tasks = {task.name: task for task in kept["tasks"]}
        self.outputs, self.rows = kept["outputs"], rows

    def skills(self, plan: Serving) -> Skills:
        return {task: self._skill(task, trainings) for task, trainings in plan.items()}

    def _skill(self, task: str, trainings: Sequence[str]) -> Any:
        found = [self.outputs[training][task] for training in trainings]
        used = self.rows[found[0][2]]
        mean = self.tasks[task].definition.average([outputs[used] for outputs, _, _ in found])
        return skill_estimate(self.tasks[task], mean, found[0][1][used], found[0][2][used])

    def moved(self, plan: Serving) -> Serving:
        """Tasks go to a network that is beyond chance better."""
        found = dict(plan)
        for task, now in plan.items():
            others = {name: self._skill(task, [name]) for name, own in self.outputs.items() if task in own}
            better = surely_better(self._skill(task, now), others)
            found[task] = now if better is None else (better,)
        return found


def networks(plan: Serving) -> int:
    return len({training for trainings in plan.values() for training in trainings})


def one_candidate(plans: Mapping[str, Serving], draw: Draw) -> Serving:
    skills = {name: draw.skills(plan) for name, plan in plans.items()}
    return draw.moved(plans[best_plan(skills, {name: networks(plan) for name, plan in plans.items()})])


def mean_of_near(plans: Mapping[str, Serving], draw: Draw) -> Serving:
    near = near_best({name: draw.skills(plan) for name, plan in plans.items()})
    return draw.moved(mean_of([plans[name] for name in near]))


def mean_of_wider(plans: Mapping[str, Serving], draw: Draw) -> Serving:
    """As :func:`mean_of_near`, with those within two standard errors of the best."""
    skills = {name: draw.skills(plan) for name, plan in plans.items()}
    first = next(iter(skills))
    best = max(skills, key=lambda name: mean_difference(skills[first], skills[name]).value)
    behind = {name: mean_difference(found, skills[best]) for name, found in skills.items()}
    return draw.moved(mean_of([plans[name] for name, gap in behind.items() if gap.value <= 2 * gap.error]))


#: The first is what the others are compared with.
RULES: dict[str, Callable[[Mapping[str, Serving], Draw], Serving]] = {
    "fewest networks": one_candidate,
    "mean of those within one error": mean_of_near,
    "mean of those within two errors": mean_of_wider,
    "mean of all": lambda plans, draw: mean_of(list(plans.values())),
    "one for all": lambda plans, draw: plans.get("all_in_one", plans["plain"]),
    "one plain": lambda plans, draw: plans["plain"],
    "single-task": lambda plans, draw: plans["single_task"],
}


def report(files: Sequence[Path], draws: int) -> None:
    """Mean skill of every rule less that of the first, with the number of networks it serves."""
    gains: dict[str, dict[str, list[float]]] = {rule: defaultdict(list) for rule in RULES}
    sizes: dict[str, dict[str, list[int]]] = {rule: defaultdict(list) for rule in RULES}
    level: dict[str, list[float]] = defaultdict(list)
    for file in files:
        kept = torch.load(file, weights_only=False)
        plans = {name: kept["plans"][name] for name in TITLES if name in kept["plans"]}
        generator, (before, after) = torch.Generator().manual_seed(0), kept["sizes"]
        name = file.name.split(".")[0]
        for _ in range(draws):
            seen = torch.zeros(before + after, dtype=torch.bool)
            seen[torch.randperm(before + after, generator=generator)[:before]] = True
            validation, test = Draw(kept, seen), Draw(kept, ~seen)
            chosen = {rule: choose(plans, validation) for rule, choose in RULES.items()}
            found = {rule: _mean(test.skills(plan)) for rule, plan in chosen.items()}
            first = found[next(iter(RULES))]
            level[name].append(first)
            for rule in RULES:
                gains[rule][name].append(found[rule] - first)
                sizes[rule][name].append(networks(chosen[rule]))
    first, *others = RULES
    print(f"| set | {first} | " + " | ".join(others) + " |\n|---|" + "---:|" * len(RULES))
    for name, values in level.items():
        cells = [f"{fmean(gains[rule][name]):+.4f} ({fmean(sizes[rule][name]):.1f})" for rule in others]
        print(f"| {name} | {fmean(values):.4f} ({fmean(sizes[first][name]):.1f}) | " + " | ".join(cells) + " |")
    means = {rule: [fmean(values) for values in gains[rule].values()] for rule in others}
    now = means["mean of those within one error"]
    flips = {rule: sign_flip_p(np.array(found) - np.array(now)) for rule, found in means.items()}
    print(f"| mean over {len(level)} sets | | {' | '.join(interval(means[rule]) for rule in others)} |")
    print(f"| p, flips of signs, against the rule now | | {' | '.join(f'{flips[rule]:.3f}' for rule in others)} |")


def _mean(skills: Skills) -> float:
    return fmean(max(-1.0, skill.value) for skill in skills.values() if skill.value == skill.value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "report"])
    parser.add_argument("--sets", nargs="+", choices=[*SMALL, *LARGE], default=list(SMALL), metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, help="of every training; by default as of `polytask fit`")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("candidates"))
    arguments = parser.parse_args()
    if arguments.command == "report":
        report(sorted(arguments.out.glob("*.pt")), arguments.draws)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for name in arguments.sets:
            path = arguments.out / f"{name}.{seed}.pt"
            if not path.exists():
                train(name, seed, path, {} if arguments.steps is None else {"steps": arguments.steps})


if __name__ == "__main__":
    main()
