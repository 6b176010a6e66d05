"""Standard errors on validation rows that follow each other in time: by rows, by blocks, and by longer blocks.

    python benchmarks/errors_in_time.py --data DATA

Extra trees are fitted to the first 70 % of the rows of scm20d and rf1; printed is the standard error of their mean
squared error on the next 15 %, as a multiple of that of independent rows (median over targets), in the order of time
and, for control, with all rows in random order first. DATA (or POLYTASK_DATA) holds ``mtr``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesRegressor

from datasets.mulan import TARGETS, read_arff
from polytask.data.split_groups import time_blocks
from polytask.uncertainty import estimate_of_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"))
    folder = parser.parse_args().data
    if folder is None:
        parser.error("say where the data are: --data, or POLYTASK_DATA")
    print("| set | order | validation rows | n^(1/3) | ours | n / 10 |\n|---|---|---:|---:|---:|---:|")
    for name in ("scm20d", "rf1"):
        table = read_arff(folder / "mtr" / f"{name}.arff")
        columns = np.nan_to_num(np.stack([np.asarray(column, float) for column in table.columns], 1))
        for order in ("time", "random"):
            rows = columns if order == "time" else np.random.default_rng(0).permutation(columns)
            ratios = multiples(rows[:, : -TARGETS[name]], rows[:, -TARGETS[name] :])
            cells = " | ".join(f"{np.median(found):.1f}" for found in ratios)
            print(f"| {name} | {order} | {round(0.15 * len(rows)):,} | {cells} |")


def multiples(x: np.ndarray, y: np.ndarray) -> list[list[float]]:
    """By kind of block, the error over that of independent rows, for every target."""
    first, last = round(0.7 * len(x)), round(0.85 * len(x))
    trees = ExtraTreesRegressor(60, random_state=0).fit(x[:first], y[:first])
    errors = torch.from_numpy((trees.predict(x[first:last]) - y[first:last]) ** 2)
    place = np.arange(float(len(errors)))
    cube, tenth = len(place) ** (1 / 3), len(place) / 10
    kinds = [place // cube, time_blocks(place, len(place)), place // tenth]
    blocks = [torch.from_numpy(kind).long() for kind in kinds]
    return [[estimate_of_rows(one, ids).error / estimate_of_rows(one).error for one in errors.T] for ids in blocks]


if __name__ == "__main__":
    main()
