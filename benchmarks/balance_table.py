"""Balancing methods on one table from the command line, one network for all tasks: test metrics side by side.

    python benchmarks/balance_table.py tox21.csv --targets a,b,c --steps 600 --methods equal dwa uw famo

One seed and no tuning: this shows that the methods run and roughly what they do, not which is better.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(data: Path, targets: str, method: str, steps: int, more: list[str]) -> tuple[dict[str, float], float]:
    """Test metric by task, and seconds."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "polytask", "fit", str(data), "--targets", targets, "--networks", "1"]
        command += ["--no-baselines", "--converge", "off", "--steps", str(steps), "--out", str(out), "--quiet"]
        subprocess.run([*command, "--set", f"balance={method}", *more], check=True)
        tasks = json.loads((out / "results.json").read_text())["tasks"]
    return {name: task["test"] for name, task in tasks.items()}, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--targets", required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--methods", nargs="+", required=True, help="names, or '{name: ..., option: ...}'")
    parser.add_argument("--more", nargs="*", default=[], help="further arguments of polytask fit, after --more")
    options = parser.parse_args()
    names = options.targets.split(",")
    print(f"| balance | {' | '.join(names)} | mean | seconds |\n" + "|---" * (len(names) + 3) + "|")
    for method in options.methods:
        found, seconds = run(options.data, options.targets, method, options.steps, options.more)
        cells = [f"{found[name]:.3f}" for name in names]
        print(
            f"| {method} | {' | '.join(cells)} | {sum(found.values()) / len(found):.3f} | {seconds:.0f} |", flush=True
        )


if __name__ == "__main__":
    main()
