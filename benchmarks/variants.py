"""One network for all targets, trained in several ways on real tables; a set, seed and way are a line of a file."""

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
from sets_and_seeds import Line, read_lines, table

#: What changes of the keys of a run; or what gives it for the number of steps of a training and of targets.
Way = dict[str, Any] | Callable[[int, int], dict[str, Any]]
Ways = Mapping[str, Way]


def run(name: str, seed: int, way: Way, options: dict[str, Any]) -> Line:
    """Mean test skill of a way, and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        keys = keys_of(name, Path(folder)) | {"seed": seed, "networks": 1, "baselines": False} | options
        if callable(way):
            rows = len(prepare(make_config(keys)).rows["train"])
            way = way(make_config(keys).training().resolve(rows).steps or 0, len(keys["targets"]))
        results = fit_here(keys | way, Path(folder) / "run")
    found = fmean(value for value in skills(results["tasks"], results).values() if value is not None)
    return {"skill": found, "seconds": results["totals"]["seconds"]}


def together(lines: Sequence[Line], ways: Sequence[str]) -> list[Line]:
    """By set, seed and steps the skill and seconds of every way, where all of them are there."""
    found: dict[tuple[Any, ...], dict[str, Line]] = {}
    for line in lines:
        found.setdefault((line["set"], line["seed"], line.get("steps")), {})[line["way"]] = line
    return [
        {"set": name, "seed": seed, **{what: {way: own[way][what] for way in ways} for what in ("skill", "seconds")}}
        for (name, seed, _), own in found.items() if set(ways) <= own.keys()
    ]  # fmt: skip


def report(lines: list[Line], ways: Sequence[str]) -> None:
    """Every way less the first."""
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
    parser.add_argument("--ways", nargs="+", choices=list(ways), default=list(ways), metavar="WAY")
    parser.add_argument("--steps", type=int, help="of every training; by default as of `polytask fit`")
    parser.add_argument("--out", type=Path, default=Path("ways.jsonl"))
    arguments = parser.parse_args()
    done = read_lines(arguments.out)
    if arguments.command == "report":
        report(together(done, arguments.ways), arguments.ways)
        return
    options = {"steps": arguments.steps} if arguments.steps else {}
    known = {(line["set"], line["seed"], line["way"], line.get("steps")) for line in done}
    for seed in arguments.seeds:
        for name in arguments.sets:
            for way in arguments.ways:
                if (name, seed, way, arguments.steps) not in known:
                    line = {"set": name, "seed": seed, "way": way, **options, **run(name, seed, ways[way], options)}
                    with arguments.out.open("a") as file:
                        file.write(json.dumps(line) + "\n")
