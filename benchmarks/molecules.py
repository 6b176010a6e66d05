"""Columns of molecules: descriptors and Morgan counts against n-grams, graph networks, and random forests.

    python benchmarks/molecules.py DATA --out FOLDER [--sets tox21,muv] [--splits random,scaffold] [--seeds 3]
                                   [--ways molecules,ngrams,forest,chemprop]

DATA holds ``tox21/tox21.csv`` and ``muv/muv.csv.gz``. All ways of a seed have the same rows in every part. Networks:
``polytask fit`` with one network and default options, ``chemprop`` with that encoder. Forests: scikit-learn, 200 trees
per target, on Morgan fingerprints of radius 2 in 2048 places and the descriptors; whether classes are balanced is
chosen per target on the validation rows. Metrics are of the test rows, means over the targets that have both classes
there. What is measured is kept in ``FOLDER/results.jsonl``, one line each, and not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

from polytask.config import make_config
from polytask.data import Schema, infer_targets, load_split, read_table
from polytask.runs import fit_run

FILES = {"tox21": "tox21/tox21.csv", "muv": "muv/muv.csv.gz"}
METRICS = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}
TREES = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default="tox21,muv")
    parser.add_argument("--splits", default="random,scaffold")
    parser.add_argument("--ways", default="molecules,ngrams,forest")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    log = given.out / "results.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    known = {(one["set"], one["split"], one["seed"], one["way"]) for one in done}
    plan = product(given.sets.split(","), given.splits.split(","), range(given.seeds), given.ways.split(","))
    for name, split, seed, way in plan:
        if (name, split, seed, way) in known:
            continue
        started = time.monotonic()
        found = measure(given.data / FILES[name], split, seed, way, given.out / f"{name}-{split}-{seed}")
        done.append({"set": name, "split": split, "seed": seed, "way": way, **found,
                     "seconds": round(time.monotonic() - started, 1)})  # fmt: skip
        with log.open("a") as stream:
            stream.write(json.dumps(done[-1]) + "\n")
    report(done)


def measure(table: Path, split: str, seed: int, way: str, out: Path) -> dict[str, float]:
    """Mean metrics on the test rows."""
    if way == "forest":
        return forests(table, out)
    kind = "text" if way == "ngrams" else "smiles"
    config = make_config({
        "data": str(table), "targets": targets(table), "features": ["smiles"], "column_kind": {"smiles": kind},
        "metric": {target: list(METRICS) for target in targets(table)}, "networks": 1, "baselines": False,
        "seed": seed, "threads": 1, "device": "cpu", **({"split": "scaffold"} if split == "scaffold" else {}),
        **({"encoder": "chemprop"} if way == "chemprop" else {}),
    })  # fmt: skip
    run = out.with_name(f"{out.name}-{way}")
    tasks = fit_run(config, run, resume=run.exists())["tasks"]
    measured = [task["metrics"] for task in tasks.values()]
    return {name: float(np.nanmean([_number(one[name]) for one in measured])) for name in METRICS}


def targets(table: Path) -> list[str]:
    """All columns but that of the molecules."""
    return [name for name in read_table(table).column_names if name != "smiles"]


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def forests(path: Path, out: Path) -> dict[str, float]:
    """A forest per target, on the rows of the networks' run of this seed."""
    table = read_table(path)
    tasks = [found.task for found in infer_targets(table, where=path.name, targets=targets(path))]
    codes, _ = load_split(out.with_name(f"{out.name}-molecules") / "split.parquet")
    schema = Schema.fit(table, tasks, train=codes == 0, column_kinds={"smiles": "smiles"})
    found = schema.encode_inputs(table)
    text = found["text"]
    counts = sparse.csr_matrix((np.ones(len(text.values)), text.indices.numpy(), text.offsets.numpy()),
                               (len(text), text.width))  # fmt: skip
    inputs = sparse.hstack([counts, sparse.csr_matrix(found["numeric"].numpy())]).tocsr().astype(np.float32)
    labels = schema.encode_targets(table).numpy()
    return means([best_forest(inputs, labels[:, k], codes) for k in range(len(tasks))])


def best_forest(inputs: Any, labels: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    """Test metrics of the forest that is best on validation."""
    rows = [np.flatnonzero((codes == code) & ~np.isnan(labels)) for code in range(3)]
    train, validation, test = rows
    best: tuple[float, Any] = (-1.0, None)
    for weight in (None, "balanced_subsample"):
        forest = RandomForestClassifier(TREES, class_weight=weight, random_state=0)
        forest.fit(inputs[train], labels[train])
        known = len(np.unique(labels[validation])) == 2
        score = roc_auc_score(labels[validation], forest.predict_proba(inputs[validation])[:, 1]) if known else 0.5
        best = max(best, (score, forest), key=lambda pair: pair[0])
    if len(np.unique(labels[test])) < 2:
        return dict.fromkeys(METRICS, np.nan)
    likely = best[1].predict_proba(inputs[test])[:, 1]
    return {name: float(metric(labels[test], likely)) for name, metric in METRICS.items()}


def means(measured: list[dict[str, float]]) -> dict[str, float]:
    """The mean of every metric."""
    return {name: float(np.nanmean([one[name] for one in measured])) for name in METRICS}


def report(done: list[dict[str, Any]]) -> None:
    """A line per set, split and way: mean and standard deviation over seeds."""
    print("| set | split | way | seeds | ROC-AUC | average precision | seconds |\n|---|---|---|---:|---:|---:|---:|")
    for key in dict.fromkeys((one["set"], one["split"], one["way"]) for one in done):
        own = [one for one in done if (one["set"], one["split"], one["way"]) == key]
        values = np.array([[one[name] for name in METRICS] for one in own])
        spread = values.std(0, ddof=1) if len(own) > 1 else np.full(len(METRICS), np.nan)
        shown = [f"{mean:.4f} ± {deviation:.4f}" for mean, deviation in zip(values.mean(0), spread, strict=True)]
        print("|", " | ".join([*key, str(len(own)), *shown, f"{np.median([one['seconds'] for one in own]):.0f}"]), "|")


if __name__ == "__main__":
    main()
