"""What the decisions of `polytask fit` are worth: convergence, checkpoint and networks, on real tables.

    python benchmarks/decisions.py run --sets jura wq late --seeds 0 1 2 3 4 --out decisions.jsonl
    python benchmarks/decisions.py run --sets jura wq late --seeds 0 1 2 3 4 --code EARLIER/src --out earlier.jsonl
    python benchmarks/decisions.py report --out decisions.jsonl [--against earlier.jsonl]

Two runs per set and seed (split, weights and row order), all trainings with the same steps. The first gives what
`polytask fit` serves by default, the plain network for all targets (convergence off, equal weights) and single-task
models; the second is one network for all with convergence. They are one line of the file, and lines that are there are
not repeated. Scores are mean skills on the test split, 0 for a constant prediction and 1 for a perfect one.

``--code`` trains with another version of this project on the same tables, and ``--against`` compares with its file.
Differences have 95 % intervals, over the seeds of a set and over sets, whose mean is tested by all flips of signs.
POLYTASK_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from polytask.comparison.datasets.registry import with_dataset
from polytask.config import make_config
from polytask.runs import fit_run
from sets_and_seeds import Line, key_of, read_lines, table

SMALL = ("jura", "enb", "wq", "digits", "late", "edm", "slump", "andro", "sf1", "sf2")
LARGE = ("tox21", "rf1", "scm20d", "tmc2007", "five_texts", "census_income")
#: What a line has, with titles; the first is what the others are compared with.
METHODS = {
    "default": "default",
    "converged": "one network with convergence",
    "all_in_one": "one plain network",
    "single_task": "single-task models",
}
#: Keys of a run and its folder → content of its ``results.json``.
Fit = Callable[[dict[str, Any], Path], dict[str, Any]]
WORKER = """
import json, sys
from pathlib import Path
from polytask.config import make_config
from polytask.runs import fit_run
fit_run(make_config(json.loads(sys.argv[1])), Path(sys.argv[2]))
"""


def late_starter(folder: Path, rows: int = 4000) -> dict[str, Any]:
    """A table whose targets begin to be learned at very different times, and one that is a coin."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 12))
    targets = {
        "early": x[:, 0] + x[:, 1] + 2 * rng.normal(size=rows) > 0,
        "number": np.round(2 * x[:, 2] - x[:, 3] * x[:, 4] + 0.5 * rng.normal(size=rows), 6),
        "late": x[:, 5] * x[:, 6] * x[:, 7] > 0,
        "coin": rng.random(rows) > 0.5,
    }
    names = [f"x{k}" for k in range(12)] + list(targets)
    columns = [*x.T.round(6), *(values.astype(float) for values in targets.values())]
    path = folder / "late.csv"
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in zip(*columns, strict=True))]))
    return {"data": str(path), "targets": list(targets), "kind": dict.fromkeys(("early", "late", "coin"), "binary")}


def keys_of(name: str, folder: Path) -> dict[str, Any]:
    """Data and targets of a set, whose table may be made in the folder."""
    return late_starter(folder) if name == "late" else with_dataset({"dataset": name}, folder)


def fit_here(keys: dict[str, Any], folder: Path) -> dict[str, Any]:
    return fit_run(make_config(keys), folder)


def fit_with(source: Path) -> Fit:
    """Runs of another version of this project, whose ``src`` this is."""

    def fit(keys: dict[str, Any], folder: Path) -> dict[str, Any]:
        environment = os.environ | {"PYTHONPATH": str(source.resolve())}
        subprocess.run([sys.executable, "-c", WORKER, json.dumps(keys), str(folder)], env=environment, check=True)
        results: dict[str, Any] = json.loads((folder / "results.json").read_text())
        return results

    return fit


def run(name: str, seed: int, options: dict[str, Any], fit: Fit = fit_here) -> Line:
    """Mean test skills of what is served and of what it is compared with, for one set and seed."""
    with tempfile.TemporaryDirectory() as folder:
        keys = keys_of(name, Path(folder)) | {"seed": seed} | options
        results = fit(keys, Path(folder) / "run")
        one = fit(keys | {"networks": 1, "baselines": False}, Path(folder) / "one")
    baselines = results["baselines"]
    entries = [results["tasks"], one["tasks"], baselines["all_in_one"], baselines["single_task"]]
    found = {method: skills(some, results) for method, some in zip(METHODS, entries, strict=True)}
    means = {method: fmean(v for v in values.values() if v is not None) for method, values in found.items()}
    seconds = results["totals"]["seconds"]
    return {"set": name, "seed": seed, **options, "skill": means, "tasks": found, "seconds": seconds}


def skills(entries: dict[str, Any], results: dict[str, Any]) -> dict[str, float | None]:
    """Test skill by task, at least -1; None where it is undefined."""
    return {task: _skill(entry["test"], task, results) for task, entry in entries.items()}


def _skill(test: float | None, task: str, results: dict[str, Any]) -> float | None:
    level = results["totals"]["trivial"][task]
    perfect = 1.0 if results["tasks"][task]["direction"] == "max" else 0.0
    if test is None or level is None or level == perfect:
        return None
    return max(-1.0, (test - level) / (perfect - level))


def report(lines: Sequence[Line], earlier: Sequence[Line]) -> None:
    """Tables of mean skills and of differences."""
    ours, *others = METHODS
    print("What is served by default: mean skill on test, and its difference to others of the same runs\n")
    table(ours, [(line, line) for line in lines], {f"- {METHODS[other]}": (ours, other) for other in others})
    before = {key_of(line): line for line in earlier}
    pairs = [(line, before[key_of(line)]) for line in lines if key_of(line) in before]
    if pairs:
        print("\nThe same methods less those of the earlier code\n")
        table(ours, pairs, {f"change of {title}": (method, method) for method, title in METHODS.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--sets", nargs="+", choices=[*SMALL, *LARGE], default=list(SMALL), metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--networks", default="auto", help="as of `polytask fit`")
    parser.add_argument("--steps", type=int, help="of every training; by default as of `polytask fit`")
    parser.add_argument("--code", type=Path, help="`src` of another version of this project, to train with")
    parser.add_argument("--out", type=Path, default=Path("decisions.jsonl"))
    parser.add_argument("--against", type=Path)
    arguments = parser.parse_args()
    done = read_lines(arguments.out)
    if arguments.command == "report":
        report(done, read_lines(arguments.against))
        return
    options = {"networks": arguments.networks} | ({"steps": arguments.steps} if arguments.steps else {})
    fit = fit_with(arguments.code) if arguments.code else fit_here
    for seed in arguments.seeds:
        for name in arguments.sets:
            if (name, seed, arguments.steps) not in map(key_of, done):
                with arguments.out.open("a") as file:
                    file.write(json.dumps(run(name, seed, options, fit)) + "\n")


if __name__ == "__main__":
    main()
