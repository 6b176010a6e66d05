"""What the decisions of `polytask fit` are worth: convergence, checkpoint and networks, on real tables.

    python benchmarks/decisions.py run --sets jura wq late --seeds 0 1 2 3 4 --out decisions.jsonl
    python benchmarks/decisions.py report --out decisions.jsonl [--against earlier.jsonl]

One run per set and seed (split, weights and row order) has everything: what the run serves by default, the plain
network for all targets (convergence off, equal weights) and single-task models, all with the same steps. A run is one
line of the file, and runs that are there are not repeated. Scores are mean skills on the test split, 0 for a constant
prediction and 1 for a perfect one. ``--against`` compares with the file of another version of this project.
POLYTASK_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.stats import t as student
from scipy.stats import wilcoxon

from polytask.comparison.datasets.registry import with_dataset
from polytask.config import make_config
from polytask.runs import fit_run

SMALL = ("jura", "enb", "wq", "digits", "late", "edm", "slump", "andro", "sf1", "sf2")
LARGE = ("tox21", "rf1", "scm20d", "census_income", "five_texts")
OURS, OTHERS = "default", ("all_in_one", "single_task")


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


def run(name: str, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """One run: mean test skill of what is served and of the baselines."""
    with tempfile.TemporaryDirectory() as folder:
        keys = late_starter(Path(folder)) if name == "late" else with_dataset({"dataset": name}, Path(folder))
        results = fit_run(make_config(keys | {"seed": seed} | options), Path(folder) / "run")
    trivial = results["totals"]["trivial"]

    def skill(task: str, test: float | None) -> float | None:
        level, perfect = trivial[task], 1.0 if results["tasks"][task]["direction"] == "max" else 0.0
        if test is None or level is None or level == perfect:
            return None
        return max(-1.0, (test - level) / (perfect - level))

    found = {OURS: {task: skill(task, entry["test"]) for task, entry in results["tasks"].items()}}
    for other in OTHERS:
        found[other] = {task: skill(task, entry["test"]) for task, entry in results["baselines"][other].items()}
    means = {method: fmean(v for v in values.values() if v is not None) for method, values in found.items()}
    return {"set": name, "seed": seed, "skill": means, "tasks": found, "seconds": results["totals"]["seconds"]}


def report(runs: list[dict[str, Any]], earlier: list[dict[str, Any]]) -> None:
    """Tables of mean skills, differences with intervals over seeds, and a test over sets."""
    before = {(one["set"], one["seed"]): one["skill"][OURS] for one in earlier}
    others = [*OTHERS, *(["earlier"] if before else [])]
    print(f"| set | seeds | {OURS} | " + " | ".join(f"- {other}" for other in others) + " |")
    print("|---|---|---|" + "---|" * len(others))
    means: dict[str, list[float]] = {other: [] for other in others}
    for name in dict.fromkeys(one["set"] for one in runs):
        chosen = [one for one in runs if one["set"] == name]
        cells = []
        for other in others:
            theirs = [one["skill"].get(other, before.get((name, one["seed"]))) for one in chosen]
            gains = [one["skill"][OURS] - their for one, their in zip(chosen, theirs, strict=True) if their is not None]
            if gains:
                means[other].append(fmean(gains))
            cells.append(_interval(gains))
        ours = fmean(one["skill"][OURS] for one in chosen)
        print(f"| {name} | {len(chosen)} | {ours:.4f} | " + " | ".join(cells) + " |")
    for other, gains in means.items():
        p = wilcoxon(gains).pvalue if len(gains) > 1 and any(gains) else float("nan")
        print(f"\nagainst {other}: mean over {len(gains)} sets {fmean(gains):+.4f}, Wilcoxon over sets p = {p:.3f}")


def _interval(gains: list[float]) -> str:
    if len(gains) < 2:
        return f"{gains[0]:+.4f}" if gains else "-"
    width = student.ppf(0.975, len(gains) - 1) * stdev(gains) / len(gains) ** 0.5
    return f"{fmean(gains):+.4f} ± {width:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--sets", nargs="+", choices=[*SMALL, *LARGE], default=list(SMALL), metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--networks", default="auto", help="as of `polytask fit`")
    parser.add_argument("--out", type=Path, default=Path("decisions.jsonl"))
    parser.add_argument("--against", type=Path)
    arguments = parser.parse_args()
    done = _read(arguments.out)
    if arguments.command == "report":
        report(done, _read(arguments.against))
        return
    for seed in arguments.seeds:
        for name in arguments.sets:
            if not any((one["set"], one["seed"]) == (name, seed) for one in done):
                with arguments.out.open("a") as file:
                    file.write(json.dumps(run(name, seed, {"networks": arguments.networks})) + "\n")


def _read(path: Path | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path and path.exists() else []


if __name__ == "__main__":
    main()
