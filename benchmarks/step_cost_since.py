"""Cost of a training step now, relative to that of an earlier commit: two processes that take turns.

    git worktree add build/before e2be350
    python benchmarks/step_cost_since.py build/before --config tiny_3 --method upgrad

Processor time of one thread counts, not the clock, so that other programs matter less; steps of both in turn, a ratio
per round, and the median over the rounds with its quartiles.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKER = """
import statistics, sys, time
root, case, method = sys.argv[1:]
sys.path[:0] = [f"{root}/src", f"{root}/benchmarks"]
import torch
from step_cost import CASES, our_loop, random_rows
torch.set_num_threads(1)
step = our_loop(CASES[case], random_rows(CASES[case], 0), 0, method)
def timed():
    begin = time.process_time()
    step()
    return time.process_time() - begin
for _ in range(30):
    step()
for line in sys.stdin:
    print(statistics.median(timed() for _ in range(int(line))), flush=True)
"""


def start(root: Path, case: str, method: str) -> subprocess.Popen[str]:
    """A process that reads numbers of steps and writes their median time in seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORKER, str(root.resolve()), case, method]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def median_step(process: subprocess.Popen[str], steps: int) -> float:
    """Seconds."""
    assert process.stdin is not None and process.stdout is not None
    print(steps, file=process.stdin, flush=True)
    return float(process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="a checkout of the earlier commit")
    parser.add_argument("--config", default="tiny_3")
    parser.add_argument("--method", default="equal")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--steps", type=int, default=25, help="of each in a round")
    given = parser.parse_args()
    before, now = (start(root, given.config, given.method) for root in (given.before, ROOT))
    pairs = [(median_step(before, given.steps), median_step(now, given.steps)) for _ in range(given.rounds)]
    low, middle, high = statistics.quantiles([b / a for a, b in pairs], n=4)
    times = [1e3 * statistics.median(column) for column in zip(*pairs, strict=True)]
    print(f"{given.config} {given.method}: {middle:.3f} of before (quartiles {low:.3f} to {high:.3f}, {given.rounds} "
          f"rounds), {times[0]:.3f} ms before, {times[1]:.3f} ms now")  # fmt: skip


if __name__ == "__main__":
    main()
