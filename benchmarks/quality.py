"""How good the presets of `polytask fit` are, beside one kind of model per target, on real tables.

    python benchmarks/quality.py run --sets slump andro edm --seeds 0 1 2 3 4 --out quality.jsonl
    python benchmarks/quality.py report --out quality.jsonl

For every set and seed (split, weights and row order): `fast`, `good` and `best`, and per target scikit-learn's random
forest, extra trees, histogram gradient boosting and linear models, as `--candidates` fits them: settings chosen by five
folds of the training and validation rows, then fitted on all of these. `mean of trees` is their equal mean without the
linear models. Scores are mean skills on the test split, 0 for a constant prediction and 1 for a perfect one. Every
set and seed is a line of the file; lines that are there are not repeated. POLYTASK_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy.stats import rankdata

from polytask.comparison.datasets.registry import with_dataset
from polytask.config import Config, make_config
from polytask.models.fitted import FittedModel
from polytask.runs import fit_run
from polytask.runs.averaged import Outputs
from polytask.runs.candidates.cross_fit import development
from polytask.runs.candidates.ensemble import fit_family
from polytask.runs.candidates.families import families
from polytask.runs.preparation.prepare import prepare
from sets_and_seeds import Line, key_of, read_lines, table

SETS = ("slump", "andro", "edm", "jura", "enb", "wq", "sf1", "sf2", "digits", "rf1", "scm20d", "tmc2007", "tox21")
PRESETS = ("fast", "good", "best")
TREES = ("random_forest", "extra_trees", "boosting")
MEAN_OF_TREES = "mean of trees"


def run(name: str, seed: int, presets: Sequence[str]) -> Line:
    """Mean test skills, seconds and parameters by method."""
    line: Line = {"set": name, "seed": seed, "skill": {}, "seconds": {}, "parameters": {}}
    with tempfile.TemporaryDirectory() as folder:
        keys = with_dataset({"dataset": name}, Path(folder)) | {"seed": seed}
        for preset in presets:
            started = time.monotonic()
            results = fit_run(make_config(keys | {"preset": preset}), Path(folder) / preset)
            line["seconds"][preset] = time.monotonic() - started
            line["skill"][preset] = fmean(skills(results["tasks"]))
            line["parameters"][preset] = results["totals"]["parameters"]
            line["levels"] = {task: [entry["trivial"], entry["direction"]] for task, entry in results["tasks"].items()}
        per_target(make_config(keys), line)
    return line


def skills(entries: dict[str, Any]) -> list[float]:
    """Test skill of every task where it is defined, at least -1."""
    found = []
    for entry in entries.values():
        perfect = 1.0 if entry["direction"] == "max" else 0.0
        if entry["test"] is not None and entry["trivial"] not in (None, perfect):
            found.append(max(-1.0, (entry["test"] - entry["trivial"]) / (perfect - entry["trivial"])))
    return found


def per_target(config: Config, line: Line) -> None:
    """Add models of one kind per target to a line."""
    data = prepare(config)
    rows = development(config, data.rows["train"], data.rows["validation"], 1)
    models = {}
    for family in families(("trees", "linear"), len(data.tasks)):
        started = time.monotonic()
        state = fit_family(family, rows, data.tasks, config.seed)
        models[family.name] = FittedModel.restored(state["stored"], state["model"], data.tasks)
        line["seconds"][family.name] = time.monotonic() - started
        line["parameters"][family.name] = sum(p.numel() for p in models[family.name].parameters())
    outputs = Outputs(data.rows["test"], data.tasks, models)
    for method, own in {**{name: [name] for name in models}, MEAN_OF_TREES: list(TREES)}.items():
        entries = {
            task: {"test": outputs.metric(task, own).value, "trivial": level, "direction": direction}
            for task, (level, direction) in line["levels"].items()
        }
        line["skill"][method] = fmean(skills(entries))


def report(lines: Sequence[Line]) -> None:
    """Mean skills by set, mean ranks, and differences of `best` and `good` to everything else."""
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
        cells = [f"{np.median([line[what][m] for line in lines]):,.0f}" if m in lines[0][what] else "" for m in methods]
        print(f"| median {what} | | {' | '.join(cells)} |")
    for ours in ("best", "good"):
        if ours in methods:
            print()
            others = {f"- {other}": (ours, other) for other in methods if other != ours}
            table(ours, [(line, line) for line in lines], others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS[:9]), metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--out", type=Path, default=Path("quality.jsonl"))
    arguments = parser.parse_args()
    done = read_lines(arguments.out)
    if arguments.command == "report":
        report(done)
        return
    for seed in arguments.seeds:
        for name in arguments.sets:
            if (name, seed, None) not in map(key_of, done):
                with arguments.out.open("a") as file:
                    file.write(json.dumps(run(name, seed, arguments.presets)) + "\n")


if __name__ == "__main__":
    main()
