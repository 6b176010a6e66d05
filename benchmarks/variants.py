"""One network for all targets, trained in several ways on real tables; a set and seed are a line of a file."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from decisions import LARGE, SMALL, fit_here, keys_of, skills
from polytask.config import make_config
from polytask.runs.preparation.prepare import prepare
from sets_and_seeds import Line, key_of, read_lines, table

#: By name the keys of a way, or what gives them for the number of steps of a training and of targets.
Ways = Mapping[str, dict[str, Any] | Callable[[int, int], dict[str, Any]]]


def run(name: str, seed: int, ways: Ways, options: dict[str, Any]) -> Line:
    """Mean test skill of every way, and seconds."""
    found, seconds = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        keys = keys_of(name, Path(folder)) | {"seed": seed, "networks": 1, "baselines": False} | options
        rows = len(prepare(make_config(keys)).rows["train"])
        steps = make_config(keys).training().resolve(rows).steps or 0
        for way, given in ways.items():
            changes = given(steps, len(keys["targets"])) if callable(given) else given
            results = fit_here(keys | changes, Path(folder) / way)
            found[way] = fmean(v for v in skills(results["tasks"], results).values() if v is not None)
            seconds[way] = results["totals"]["seconds"]
    return {"set": name, "seed": seed, **options, "skill": found, "seconds": seconds}


def report(lines: list[Line], ways: Sequence[str]) -> None:
    first, *others = ways
    print("Mean skill on test of the first way, and the others less that\n")
    table(first, [(line, line) for line in lines], {other: (other, first) for other in others})
    for way in others:
        ratio = fmean(line["seconds"][way] / line["seconds"][first] for line in lines)
        print(f"\n{way}: {ratio:.2f} times the seconds, in the mean over all runs")


def main(description: str, ways: Ways) -> None:
    """The command: run what is missing, or report; the first way is what the others are compared with."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--sets", nargs="+", choices=[*SMALL, *LARGE], default=list(SMALL), metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="of every training; by default as of `polytask fit`")
    parser.add_argument("--out", type=Path, default=Path("ways.jsonl"))
    arguments = parser.parse_args()
    done = read_lines(arguments.out)
    if arguments.command == "report":
        report(done, list(ways))
        return
    options = {"steps": arguments.steps} if arguments.steps else {}
    for seed in arguments.seeds:
        for name in arguments.sets:
            if (name, seed, arguments.steps) not in map(key_of, done):
                with arguments.out.open("a") as file:
                    file.write(json.dumps(run(name, seed, ways, options)) + "\n")
