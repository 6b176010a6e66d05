"""Scales of skewed targets: what ``transform: auto`` chooses, against the scales of networks that were measured.

    python benchmarks/scales.py DATA --out FOLDER [--sets jura,sf1,sf2,wq,rf1,census] [--seeds 2]

DATA holds ``mtr/*.arff`` and ``census_income/census-income.test.gz``; of larger sets 3,000 (6,000) rows are drawn. One
network of 600 steps for all targets is trained on every scale, and measured on the test rows by ``r2`` and ``mae``;
``auto`` chooses by each of these. Printed is the gain over the scale of the labels, of ``mae`` as a share of it.
What is measured is kept in ``FOLDER/results.jsonl`` and not measured again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from polytask.comparison.datasets import census
from polytask.comparison.datasets.mulan import TARGETS, read_arff
from polytask.config import make_config
from polytask.runs import fit_run
from polytask.runs.preparation.prepare import prepare
from polytask.task.units import heavy_tailed, skewed

METRICS = {"r2": 1, "mae": -1}
SCALES = ("none", "log", "quantile")
ROWS = {"rf1": 3000, "census": 6000}
INCOMES = ("wage_per_hour", "capital_gains", "stock_dividends", "weeks_worked")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default="jura,sf1,sf2,wq,rf1,census")
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    log = given.out / "results.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    known = {(one["set"], one["seed"]) for one in done}
    for name, seed in product(given.sets.split(","), range(given.seeds)):
        if (name, seed) not in known:
            found = list(measure(given.data, name, seed, given.out))
            done += found
            with log.open("a") as stream:
                stream.writelines(json.dumps(one) + "\n" for one in found)
    report(done)


def table_of(data: Path, name: str) -> tuple[pa.Table, list[str]]:
    """A set and its targets."""
    if name == "census":
        table, targets = census.read_raw(data / "census_income" / "census-income.test.gz"), list(INCOMES)
    else:
        table = read_arff(data / "mtr" / f"{name}.arff")
        targets = table.column_names[-TARGETS[name] :]
    rows = np.random.default_rng(0).permutation(len(table))[: ROWS.get(name, len(table))]
    return table.take(rows), targets


def measure(data: Path, name: str, seed: int, out: Path) -> Iterator[dict[str, Any]]:
    """For every skewed target test metrics on each scale, and the scales that ``auto`` and skewness choose."""
    table, targets = table_of(data, name)
    pq.write_table(table, path := out / f"{name}.parquet")
    keys = {"data": str(path), "targets": targets, "kind": dict.fromkeys(targets, "regression"), "seed": seed}
    fixed = {"networks": 1, "steps": 600, "baselines": False, "metric": dict.fromkeys(targets, "r2,mae")}
    tested = {
        scale: fit_run(make_config(keys | fixed | {"transform": scale}), out / f"{name}-{seed}-{scale}")["tasks"]
        for scale in SCALES
    }
    chosen = {metric: auto(keys | {"metric": dict.fromkeys(targets, metric)}) for metric in METRICS}
    for target in targets:
        values = np.array(table[target].drop_null(), float)
        if skewed(values):
            yield {
                "set": name, "seed": seed, "target": target, "skewness": "log" if heavy_tailed(values) else "none",
                "auto": {metric: scales[target] for metric, scales in chosen.items()},
                "test": {scale: tasks[target]["metrics"] for scale, tasks in tested.items()},
            }  # fmt: skip


def auto(keys: dict[str, Any]) -> dict[str, str]:
    """The scales that validation chooses."""
    data = prepare(make_config(keys | {"transform": "auto"}))
    return {task.name: task.transform or "none" for task in data.tasks}


def report(done: list[dict[str, Any]]) -> None:
    """Mean and least gain over the scale of the labels, by metric and way of choosing."""
    for metric, sign in METRICS.items():
        gains: dict[str, list[float]] = {}
        for one in done:
            own = {scale: sign * found[metric] for scale, found in one["test"].items()}
            unit = abs(own["none"]) if metric == "mae" else 1.0
            ways = {"auto": one["auto"][metric], "skewness": one["skewness"], "best": max(own, key=own.__getitem__)}
            for way, scale in (ways | {"always log": "log", "always quantile": "quantile"}).items():
                gains.setdefault(way, []).append((own[scale] - own["none"]) / unit)
        for way, values in gains.items():
            moved = [value for value in values if value]
            better = sum(value > 0 for value in moved)
            print(f"{metric}  {way:15}  mean {np.mean(values):+.3f}  least {min(values):+.3f}  better {better} of "
                  f"{len(moved)} that another scale changes ({len(values)} in all)")  # fmt: skip


if __name__ == "__main__":
    main()
