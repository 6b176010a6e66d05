"""Balancing methods on one table from the command line, one network for all tasks: test metrics side by side.

    python benchmarks/balance_table.py tox21.csv --targets a,b,c --steps 600 --methods equal dwa uw --runs runs/tox21

One seed and no tuning: this shows that the methods run and roughly what they do, not which is better. Each run is a
`polytask fit` in a folder below ``--runs``; a run that is there is read, an interrupted one goes on.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path


def run(data: Path, targets: str, method: str, steps: int, folder: Path, more: list[str]) -> dict[str, float]:
    """Test metric by task."""
    out = folder / re.sub(r"[^a-z0-9]+", "_", method.lower()).strip("_")
    command = [sys.executable, "-m", "polytask", "fit", str(data), "--targets", targets, "--networks", "1"]
    command += ["--no-baselines", "--converge", "off", "--steps", str(steps), "--out", str(out), "--quiet"]
    command += ["--balance", method] if method.isidentifier() else ["--set", f"balance={method}"]
    if not (out / "results.json").exists():
        subprocess.run([*command, *more, *(["--resume"] if out.exists() else [])], check=True)
    tasks = json.loads((out / "results.json").read_text())["tasks"]
    return {name: task["test"] for name, task in tasks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--targets", required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--methods", nargs="+", required=True, help="names, or '{name: ..., option: ...}'")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--more", nargs="*", default=[], help="further arguments of polytask fit, after --more")
    options = parser.parse_args()
    names = options.targets.split(",")
    print(f"| balance | {' | '.join(names)} | mean |\n|---" + "|---:" * (len(names) + 1) + "|")
    for method in options.methods:
        found = run(options.data, options.targets, method, options.steps, options.runs, options.more)
        cells = [f"{found[name]:.3f}" for name in names]
        print(f"| {method} | {' | '.join(cells)} | {sum(found.values()) / len(found):.3f} |", flush=True)


if __name__ == "__main__":
    main()
