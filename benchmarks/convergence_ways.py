"""One network for all targets that converge, held in other ways: how many teachers, jointly or one after the other.

    python benchmarks/convergence_ways.py run --sets jura enb late --seeds 0 1 2 --out ways.jsonl
    python benchmarks/convergence_ways.py report --out ways.jsonl

Runs of `polytask fit --networks 1 --no-baselines`; a set and seed are a line of the file. Each stage of the sequential
way has a training's length, so that it costs up to as many trainings as there are targets; `shared` stages share the
steps of one training. POLYTASK_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

from decisions import LARGE, SMALL, fit_here, keys_of, skills
from polytask.config import make_config
from polytask.runs.preparation.prepare import prepare
from sets_and_seeds import Line, key_of, read_lines, table

#: The first is what the others are compared with.
WAYS: dict[str, dict[str, Any]] = {
    "one teacher": {"convergence": {"teachers": 1}},
    "three teachers": {"convergence": {"teachers": 3}},
    "no convergence": {"converge": "off"},
    "sequential": {"converge": "sequential"},
    "sequential, shared steps": {"converge": "sequential"},
}


def run(name: str, seed: int, options: dict[str, Any]) -> Line:
    """Mean test skill of every way, and seconds."""
    found, seconds = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        keys = keys_of(name, Path(folder)) | {"seed": seed, "networks": 1, "baselines": False} | options
        rows = len(prepare(make_config(keys)).rows["train"])
        steps = make_config(keys).training().resolve(rows).steps or 0
        shared = {"sequential": {"max_stage_steps": -(-steps // len(keys["targets"]))}}
        for way, changes in WAYS.items():
            own = shared if "shared" in way else {}
            results = fit_here(keys | changes | own, Path(folder) / way)
            found[way] = fmean(v for v in skills(results["tasks"], results).values() if v is not None)
            seconds[way] = results["totals"]["seconds"]
    return {"set": name, "seed": seed, **options, "skill": found, "seconds": seconds}


def report(lines: list[Line]) -> None:
    first, *others = WAYS
    print("Mean skill on test of the first way, and the others less that\n")
    table(first, [(line, line) for line in lines], {other: (other, first) for other in others})
    for way in others:
        ratio = fmean(line["seconds"][way] / line["seconds"][first] for line in lines)
        print(f"\n{way}: {ratio:.2f} times the seconds, in the mean over all runs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--sets", nargs="+", choices=[*SMALL, *LARGE], default=list(SMALL), metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="of every training; by default as of `polytask fit`")
    parser.add_argument("--out", type=Path, default=Path("ways.jsonl"))
    arguments = parser.parse_args()
    done = read_lines(arguments.out)
    if arguments.command == "report":
        report(done)
        return
    options = {"steps": arguments.steps} if arguments.steps else {}
    for seed in arguments.seeds:
        for name in arguments.sets:
            if (name, seed, arguments.steps) not in map(key_of, done):
                with arguments.out.open("a") as file:
                    file.write(json.dumps(run(name, seed, options)) + "\n")


if __name__ == "__main__":
    main()
