"""Balancing methods on real tables: those of the library, and newer ones: do they earn a place?

    python benchmarks/balancing.py run --data DATA --out balancing.jsonl [--sets rf1 wq] [--seeds 5]
    python benchmarks/balancing.py report --out balancing.jsonl

DATA (or POLYTASK_DATA) as for ``grouping.py``, with its sets, networks and steps. Every method tries the same three
learning rates on two seeds, chosen by mean skill on validation; other seeds are reported, test skill, 0 for a constant.
Methods of the library have their default options.

``static``, fixed weights, has equal weights and seven draws to choose from (1/4 to 4, with the mean 1) in place of
learning rates, of which it takes the one that is best for equal weights: 16 trainings, the others six.

- ``coba``: Z. Gong et al., "CoBa: Convergence Balancer for Multitask Finetuning of Large Language Models", EMNLP 2024,
  arXiv:2410.06741; slopes of the validation loss of a batch per step.
- ``go4align``: J. Shen et al., "GO4Align: Group Optimization for Multi-Task Alignment", NeurIPS 2024, arXiv:2404.06486;
  half as many groups as tasks.
- ``ldc``: P. Xiao et al., "LDC-MTL: Balancing Multi-Task Learning through Scalable Loss Discrepancy Control", 2025,
  arXiv:2502.08585; weights are free parameters instead of the output of a router.
- ``auto_lambda``: S. Liu et al., "Auto-Lambda: Disentangling Dynamic Task Relationships", TMLR 2022, arXiv:2202.03091;
  all tasks are primary, or one: ``main_auto_lambda`` beside ``main_equal`` and ``main_alone``, the skill of this task,
  mean over two tasks of a set, one after the other.
- ``selective``: W. Jeong, K.-J. Yoon, "Selective Task Group Updates for Multi-Task Optimization", ICLR 2025,
  arXiv:2502.11986; a task joins a group if an update on either has lately lowered the loss of the other.
- ``merged``: single-task models from common first weights, whose encoders' changes are added with the best of some
  factors on validation (G. Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023, arXiv:2212.04089).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

import polytask as pt
from balancing_study.newer import LDC, CoBa, GO4Align, Watch
from balancing_study.of_callbacks import AutoLambda, Selective, Weighted
from grouping_study.cells import HIDDEN
from grouping_study.sets import SETS, SMALL, Data
from polytask.balancing import BALANCERS, Balancer, Equal, Static
from polytask.comparison.statistics.paired import sign_flip_p
from polytask.task import Task
from polytask.training.evaluation import evaluate, trivial_levels
from sets_and_seeds import interval, read_lines, table

TABLES = {**SETS, "andro": SMALL["andro"]}
RATES, TUNING = (0.001, 0.003, 0.01), 2
#: Fixed weights that are tried; the first are equal.
DRAWS, FARTHEST = 8, 4.0
FACTORS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)


#: Those of the library; ``pcd`` and ``pbi`` are for tasks of which some matter more.
LIBRARY = [name for name in BALANCERS if name not in ("pcd", "pbi")]
NEWER: dict[str, Callable[[], Balancer]] = {"coba": CoBa, "go4align": GO4Align, "ldc": LDC}
OF_CALLBACKS = ("auto_lambda", "selective")
OF_MAIN = ("main_equal", "main_alone", "main_auto_lambda")
METHODS: dict[str, Callable[[], Balancer]] = {
    **{name: BALANCERS[name] for name in LIBRARY if name != "static"}, **NEWER, **dict.fromkeys(OF_CALLBACKS, Weighted),
}  # fmt: skip


@lru_cache(maxsize=1)
def load(name: str, data: Path, seed: int) -> Data:
    return TABLES[name].load(data, seed)


def run(name: str, method: str, rate: float, draw: int, seed: int, folder: Path) -> dict[str, float]:
    """Mean skill on validation and test.

    Args:
        draw: Which fixed weights ``static`` has; which task is primary for methods with a main task.
    """
    data = load(name, folder, seed)
    torch.manual_seed(seed)
    model = pt.MultiTaskModel(pt.TableEncoder(numeric=data.width, hidden=HIDDEN, dropout=0.1), data.tasks)
    if method == "merged":
        return merged(name, model, data, rate, seed)
    if method in OF_MAIN:
        return of_main(name, method, model, data, rate, draw, seed)
    balancer = fixed(data, draw) if method == "static" else METHODS[method]()
    callbacks: list[pt.Callback] = []
    if isinstance(balancer, CoBa):
        callbacks = [Watch(balancer, data.rows["validation"], 128)]
    elif isinstance(balancer, Weighted):
        own = AutoLambda(balancer, data.rows["validation"], 128) if method == "auto_lambda" else Selective(balancer)
        callbacks = [own]
    found = fitted(name, model, data, rate, seed, balancer, callbacks)
    return {part: skill(found, data.rows[part]) for part in ("validation", "test")}


def of_main(
    name: str, method: str, model: pt.MultiTaskModel, data: Data, rate: float, main: int, seed: int
) -> dict[str, float]:
    """Skill of one task on validation and test."""
    task = data.tasks[main]
    if method == "main_alone":
        rows = {part: _of(part_rows, main) for part, part_rows in data.rows.items()}
        data = Data((task,), rows, data.width)
        found = fitted(name, pt.MultiTaskModel(model.encoder, [task]), data, rate, seed)
    elif method == "main_equal":
        found = fitted(name, model, data, rate, seed)
    else:
        balancer = Weighted()
        primary = AutoLambda(balancer, _labelled(data.rows["validation"], main), 128, slice(main, main + 1))
        found = fitted(name, model, data, rate, seed, balancer, [primary])
    return {part: skill(found, data.rows[part], [task]) for part in ("validation", "test")}


def fixed(data: Data, draw: int) -> Balancer:
    """Equal weights, or a draw of others."""
    weights = np.random.default_rng(draw).uniform(-1, 1, len(data.tasks)) * np.log(FARTHEST) * (draw > 0)
    weights = np.exp(weights) / np.exp(weights).mean()
    return Static({task.name: float(weight) for task, weight in zip(data.tasks, weights, strict=True)})


def fitted(
    name: str,
    model: pt.MultiTaskModel,
    data: Data,
    rate: float,
    seed: int,
    balancer: Balancer | None = None,
    callbacks: list[pt.Callback] | None = None,
) -> pt.MultiTaskModel:
    settings = TABLES[name].settings().model_copy(update={"learning_rate": rate})
    rows = {part: data.rows[part] for part in ("train", "validation")}
    return pt.fit(
        model, **rows, balancer=balancer or Equal(), callbacks=callbacks or [], settings=settings, seed=seed
    ).model


def skill(model: pt.MultiTaskModel, rows: pt.Rows, of: Sequence[Task] = ()) -> float:
    levels, values = trivial_levels(model.tasks, rows), evaluate(model, rows)
    return fmean(
        max(-1.0, task.metric_definition.skill(values[task.name], levels[task.name])) for task in of or model.tasks
    )


def merged(name: str, model: pt.MultiTaskModel, data: Data, rate: float, seed: int) -> dict[str, float]:
    """Encoders of single-task models added, each task with the head of its own model."""
    first = copy.deepcopy(model.encoder.state_dict())
    changes = {key: torch.zeros_like(value) for key, value in first.items()}
    heads = []
    for position, task in enumerate(data.tasks):
        rows = {part: _of(rows, position) for part, rows in data.rows.items()}
        single = pt.MultiTaskModel(copy.deepcopy(model.encoder), [task])
        single = fitted(name, single, Data((task,), rows, data.width), rate, seed)
        for key, value in single.encoder.state_dict().items():
            changes[key] = changes[key] + (value - first[key])
        heads.append(single)
    scores = {}
    for factor in FACTORS:
        added = {key: value + (factor * changes[key]).to(value.dtype) for key, value in first.items()}
        for single in heads:
            single.encoder.load_state_dict(added)
        scores[factor] = {
            part: fmean(skill(single, _of(data.rows[part], place)) for place, single in enumerate(heads))
            for part in ("validation", "test")
        }
    return max(scores.values(), key=lambda found: found["validation"])


def _of(rows: pt.Rows, position: int) -> pt.Rows:
    """The rows of one task alone, without its missing labels."""
    return _labelled(rows, position).only_tasks([position])


def _labelled(rows: pt.Rows, position: int) -> pt.Rows:
    """The rows with a label of one task, with all their labels."""
    return rows if rows.observed is None else rows.subset(rows.observed[:, position].nonzero()[:, 0])


def train(names: list[str], methods: list[str], seeds: int, folder: Path, out: Path) -> None:
    """All missing lines: the settings on the tuning seeds, then the chosen one on the others."""
    found = {(line["set"], line["method"], line["rate"], line.get("draw", 0), line["seed"]): line
             for line in read_lines(out)}  # fmt: skip

    def get(name: str, method: str, setting: tuple[float, int], seed: int) -> float:
        key = name, method, *setting, seed
        if key not in found:
            line = {"set": name, "method": method, "rate": setting[0], "draw": setting[1], "seed": seed}
            line |= run(*key, folder)
            found[key] = line
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        return float(found[key]["validation"])

    def best(name: str, method: str, main: int = 0) -> tuple[float, int]:
        settings = [(rate, main) for rate in RATES]
        if method == "static":
            settings = [(best(name, "equal")[0], draw) for draw in range(DRAWS)]
        return max(settings, key=lambda one: fmean(get(name, method, one, seed) for seed in range(TUNING)))

    for name in names:
        for method in methods:
            for main in mains(name, folder) if method in OF_MAIN else (0,):
                setting = best(name, method, main)
                for seed in range(TUNING, TUNING + seeds):
                    get(name, method, setting, seed)
        print(f"{name}: done", flush=True)


def mains(name: str, folder: Path) -> tuple[int, int]:
    """The tasks that are primary, one after the other."""
    count = len(load(name, folder, 0).tasks)
    return count // 4, 3 * count // 4


def report(out: Path) -> None:
    """Differences to equal weights."""
    tests: dict[tuple[str, int], dict[str, list[float]]] = {}
    for line in read_lines(out):
        if line["seed"] >= TUNING:
            tests.setdefault((line["set"], line["seed"]), {}).setdefault(line["method"], []).append(line["test"])
    found = {key: {method: fmean(own) for method, own in skills.items()} for key, skills in tests.items()}
    over_sets(found)
    for first, *others in (
        ["equal", "uw", "scale_invariant", *NEWER], ["equal", "merged"], ["equal", *OF_CALLBACKS], OF_MAIN,
    ):  # fmt: skip
        lines = [{"set": name, "seed": seed, "skill": skills} for (name, seed), skills in found.items()
                 if {first, *others} <= skills.keys()]  # fmt: skip
        if lines:
            table(
                first, [(line, line) for line in lines], {f"{method} - {first}": (method, first) for method in others}
            )
            print()


def over_sets(found: dict[tuple[str, int], dict[str, float]]) -> None:
    """Every method of the library that is complete, less equal weights, the best first."""
    sets = list(dict.fromkeys(name for name, _ in found))
    print(f"| method | mean of {len(sets)} sets | p | {' | '.join(sets)} |\n|---|---:|---:|" + "---:|" * len(sets))
    rows = []
    for method in LIBRARY:
        if method == "equal" or any(method not in skills for skills in found.values()):
            continue
        gains = [[skills[method] - skills["equal"] for (name, _), skills in found.items() if name == one]
                 for one in sets]  # fmt: skip
        means = [fmean(one) for one in gains]
        cells = " | ".join(interval(one, 3) for one in gains)
        rows.append((fmean(means), f"| {method} | {interval(means)} | {sign_flip_p(np.array(means)):.3f} | {cells} |"))
    print("\n".join(row for _, row in sorted(rows, reverse=True)) + "\n")


def main() -> None:
    every = [*METHODS, "static", "merged", *OF_MAIN]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "report"])
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="file of the lines")
    parser.add_argument("--sets", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--methods", nargs="+", choices=every, default=every)
    parser.add_argument("--seeds", type=int, default=5, help="how many are reported")
    arguments = parser.parse_args()
    if arguments.action == "report":
        report(arguments.out)
    elif arguments.data is None:
        parser.error("--data: say where the data are, or set POLYTASK_DATA")
    else:
        train(arguments.sets, arguments.methods, arguments.seeds, Path(arguments.data), arguments.out)


if __name__ == "__main__":
    main()
