"""How exact, how cheap and how useful the estimators of task affinity are.

    python benchmarks/affinity.py agreement --data DATA --cache CACHE --problems digits tox21 scm20d groups --seeds 5
    python benchmarks/affinity.py cost --rounds 20
    python benchmarks/affinity.py gains train --data DATA --cache CACHE --out gains.jsonl --problems digits tox21 wq
    python benchmarks/affinity.py gains report --data DATA --cache CACHE --out gains.jsonl --problems digits tox21 wq
    python benchmarks/affinity.py groups --tasks 9 40 --seeds 10

``agreement``: every estimator is asked at every step of one training per seed; a table of its agreement with exact TAG
at every step (Spearman correlation of the matrices after each recipient's mean is taken off) and of the regret of
networks chosen from it (budgets 2 to 4; 0: the best choice, 1: no better than one network for all), also where only
every n-th step is used. ``cost``: steps with and without a probe in turn, in CPU time. ``gains``: all pairs and singles
are trained; which estimate predicts the gains? Spearman correlation after each recipient's mean is taken off, and the
regret of the networks chosen, both by the mean gains over seeds. ``groups``: are known groups found?

DATA (or the environment variable POLYTASK_DATA) holds the folders ``tox21`` and ``mtr``. Trainings are kept in CACHE
and in the file of gains, and not repeated.
"""

from __future__ import annotations

import argparse
import itertools
import os
from pathlib import Path

import numpy as np
import torch

import polytask as pt
from affinity_setups.cost import measure
from affinity_setups.gains import complete_seeds, gain_matrix, predictors, stored, train_all
from affinity_setups.measures import agreement, chosen, regret
from affinity_setups.problems import PROBLEMS, problem
from affinity_setups.series import record

#: Estimators, and the steps between samples at which each is judged.
JUDGED = {"exact": (10, 50), "factored": (1, 2, 4), "representation": (1, 10)}
#: What each case of step_cost.py measures by default, and rounds and steps per turn that hold whole probes.
COSTS = {
    "mlp_9": ({"estimator": "factored"}, 40),
    "mlp_40": ({"estimator": "factored"}, 81),
    "transformer_5": ({"estimator": "gramian"}, 50),
    "conv_2": ({"estimator": "gramian"}, 36),
}


def show_agreement(arguments: argparse.Namespace) -> None:
    """One row per problem, estimator and number of steps between samples."""
    print("| problem | estimator | every | Spearman with exact at every step (mean, least) | regret (mean, most) |")
    print("|---|---|---|---|---|")
    for name in arguments.problems:
        setup = problem(name, arguments.data)
        rows: dict[tuple[str, int], list[tuple[float, float]]] = {}
        references, halves = [], []
        for seed in range(arguments.seeds):
            series = record(setup, seed, tuple(JUDGED), arguments.cache)
            means = np.nanmean(series["exact"], 0)
            references.append(means)
            half = len(series["exact"]) // 2
            halves.append(agreement(np.nanmean(series["exact"][:half], 0), np.nanmean(series["exact"][half:], 0)))
            for estimator, steps in JUDGED.items():
                for every in steps:
                    # The last start, so that the first step of training is not in each.
                    estimate = np.nan_to_num(np.nanmean(series[estimator][every - 1 :: every], 0))
                    rows.setdefault((estimator, every), []).append(
                        (agreement(estimate, means), regret(estimate, means))
                    )
        for (estimator, every), found in rows.items():
            agreements, regrets = np.array(found).T
            print(
                f"| {name} | {estimator} | {every} | {agreements.mean():.3f}, {agreements.min():.3f} "
                f"| {100 * regrets.mean():.1f} %, {100 * regrets.max():.1f} % |",
                flush=True,
            )
        pairs = [agreement(a, b) for i, a in enumerate(references) for b in references[:i]]
        between = f"{np.mean(pairs):.3f}, {np.min(pairs):.3f}" if pairs else "one seed"
        print(f"| {name} | exact, one seed with another | 1 | {between} | |")
        print(
            f"| {name} | exact, first with second half | 1 | {np.mean(halves):.3f}, {np.min(halves):.3f} | |",
            flush=True,
        )


def show_cost(arguments: argparse.Namespace) -> None:
    """One row per case and estimator."""
    print("| case | estimator | every | ms without | ms with | ratio |")
    print("|---|---|---|---|---|---|")
    for case in arguments.cases:
        probe, block = COSTS[case]
        for options, every in [(probe, "default")] + [
            ({"estimator": "lookahead", "every": 10}, "10")
        ] * arguments.exact:
            without, with_it, ratio = measure(case, options, arguments.rounds, block)
            print(
                f"| {case} | {options['estimator']} | {every} | {without:.2f} | {with_it:.2f} | {ratio:.3f} |",
                flush=True,
            )


def show_gains(arguments: argparse.Namespace) -> None:
    """Train what is missing, or one row per estimate and one column per problem."""
    if arguments.action == "train":
        for name, seed in itertools.product(arguments.problems, range(arguments.seeds)):
            train_all(problem(name, arguments.data), seed, arguments.out, arguments.cache)
            print(f"{name} seed {seed}: done", flush=True)
        return
    columns: dict[str, dict[str, str]] = {}
    for name in arguments.problems:
        setup = problem(name, arguments.data)
        losses = stored(setup, arguments.out)
        seeds = complete_seeds(setup, losses)[: arguments.seeds]
        gains = [gain_matrix(losses, setup.targets.shape[1], seed) for seed in seeds]
        found = [predictors(setup, seed, arguments.cache) for seed in seeds]
        mean = np.mean(gains, 0)
        column = columns[f"{name} ({len(seeds)} seeds)"] = {}
        for key in found[0]:
            estimate = np.mean([one[key] for one in found], 0)
            column[key] = f"{agreement(estimate, mean):.2f}, {100 * regret(estimate, mean):.0f} %"
        between = float(np.mean([agreement(a, b) for i, a in enumerate(gains) for b in gains[:i]]))
        # Spearman-Brown: how well the mean over seeds would agree with the true gains.
        highest = np.sqrt(max(0.0, len(gains) * between / (1 + (len(gains) - 1) * between)))
        column["(gains of one seed with those of another)"] = f"{between:.2f}"
        column["(most that any estimate can reach)"] = f"{highest:.2f}"
        off = mean[~np.eye(len(mean), dtype=bool)]
        column["(pairs with a gain; mean gain)"] = f"{100 * (off > 0).mean():.0f} %; {100 * off.mean():.1f} %"
    print("| estimate |", " | ".join(columns), "|")
    print("|---" * (len(columns) + 1) + "|")
    for key in next(iter(columns.values())):
        print(f"| {key} |", " | ".join(column[key] for column in columns.values()), "|")


def show_groups(arguments: argparse.Namespace) -> None:
    """How often the known groups are found: in the affinities, and by the choice of as many networks.

    The choice may differ for good reason: where a task is close to some of its group only, other networks score more.
    """
    print("| tasks | groups | every affinity within groups above every one between them | chosen exactly |")
    print("|---|---|---|---|")
    for tasks in arguments.tasks:
        apart = right = 0
        for seed in range(arguments.seeds):
            setup = problem(f"groups{tasks}:{seed}", None)
            matrix = pt.measure_affinity(
                setup.model(seed),
                train=setup.rows("train"),
                validation=setup.rows("validation"),
                settings=pt.TrainingSettings(steps=300, evaluate_every=100, batch_size=setup.batch, device="cpu"),
                seed=seed,
            ).matrix
            same = np.equal.outer(setup.groups, setup.groups)
            apart += matrix[same].min() > matrix[~same].max()
            networks = {frozenset(map(int, network)) for network in chosen(matrix, max(setup.groups) + 1)}
            right += networks == {frozenset(np.flatnonzero(row).tolist()) for row in same}
        print(f"| {tasks} | 3 | {apart} of {arguments.seeds} | {right} of {arguments.seeds} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    shown = {"agreement": show_agreement, "cost": show_cost, "gains": show_gains, "groups": show_groups}
    parts = {name: commands.add_parser(name) for name in shown}
    for name in ("agreement", "gains"):
        parts[name].add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="or POLYTASK_DATA")
        parts[name].add_argument("--cache", type=Path, required=True, help="folder for recorded samples")
        parts[name].add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=["digits"])
    parts["agreement"].add_argument("--seeds", type=int, default=5)
    parts["gains"].add_argument("action", choices=["train", "report"])
    parts["gains"].add_argument("--seeds", type=int, default=5)
    parts["gains"].add_argument("--out", type=Path, required=True, help="file of test losses, one line per training")
    parts["cost"].add_argument("--cases", nargs="+", choices=list(COSTS), default=list(COSTS))
    parts["cost"].add_argument("--rounds", type=int, default=20)
    parts["cost"].add_argument("--exact", action="store_true", help="also the exact estimator at every 10th step")
    parts["groups"].add_argument("--tasks", type=int, nargs="+", default=[9, 40])
    parts["groups"].add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if getattr(arguments, "data", "") is None:
        parser.error("say where the data are: --data, or POLYTASK_DATA")
    if hasattr(arguments, "data"):
        arguments.data = Path(arguments.data)
    shown[arguments.command](arguments)


if __name__ == "__main__":
    main()
