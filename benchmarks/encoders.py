"""Encoders for tables against each other and against gradient-boosted trees: quality and processor time.

    python benchmarks/encoders.py run --data DATA --out encoders.jsonl [--sets wq rf1] [--encoders mlp] [--steps 300]
    python benchmarks/encoders.py report --out encoders.jsonl [--steps 300]

DATA (or the environment variable POLYTASK_DATA) holds the folders ``census_income``, ``tox21``, ``multilabel`` and
``mtr``. At most 8,000 rows of a set are used; a seed draws split (except where the set has its own), weights and order.
One network for all targets, equal weights, no convergence. For every encoder one of two learning rates is chosen by the
mean skill on validation at seed 0, likewise one of two shrinkages for the trees; then the test rows are read, once for
every seed. Every training is one line of the file, and what is there is not repeated. Times are those of the processor,
with one thread, from the data in memory to the trained network.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch

import polytask as pt
from grouping_study.sets import SETS as STUDY
from polytask.comparison.datasets import with_dataset
from polytask.comparison.statistics.paired import sign_flip_p
from polytask.comparison.trees import fit_trees
from polytask.config import Config, make_config
from polytask.data import read_table
from polytask.runs.encoders import network_of
from polytask.runs.preparation.prepare import Prepared, prepare
from polytask.training.evaluation import evaluate, trivial_levels
from sets_and_seeds import interval

SETS = ("wq", "tox21", "census_income", "rf1", "scm20d", "tmc2007", "digits", "enb", "jura", "diabetes")
#: As `fit` has them: numbers in bins, but for ``ft_transformer``; ``linear``: numbers as they are.
ENCODERS: dict[str, Any] = {
    "mlp": "mlp",
    "mlp, linear": {"name": "mlp", "numbers": "linear"},
    "mlp, periodic": {"name": "mlp", "numbers": "periodic"},
    "resnet": "resnet",
    "resnet, linear": {"name": "resnet", "numbers": "linear"},
    "tabm": "tabm",
    "tabm, linear": {"name": "tabm", "numbers": "linear"},
    "ft_transformer": "ft_transformer",
}
FIRST, TREES = "mlp", "trees"
#: Those with numbers other than in bins.
OTHER_NUMBERS = [name for name in ENCODERS if "," in name]
#: Attention among 501 tokens takes seconds per step; numbers that are 0 or 1 have nothing to embed.
LEFT_OUT = {("tmc2007", name) for name in ("ft_transformer", *OTHER_NUMBERS)}
#: Its only column is text.
LEFT_OUT |= {("tox21", name) for name in OTHER_NUMBERS}
MOST_ROWS = 8_000
RATES, SHRINKAGES, ROUNDS = (1e-3, 3e-3), (0.1, 0.3), 100
#: With the default patience of 10 evaluations.
SETTINGS: dict[str, Any] = {"batch_size": 128, "evaluate_every": 50, "ema": 0.98, "threads": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--encoders", nargs="+", choices=[*ENCODERS, TREES], default=[*ENCODERS, TREES])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1500, help="most steps of a network's training")
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="or POLYTASK_DATA")
    parser.add_argument("--out", type=Path, default=Path("encoders.jsonl"))
    arguments = parser.parse_args()
    if arguments.command == "report":
        print(report([line for line in _lines(arguments.out) if line["steps"] in (arguments.steps, None)]))
        return
    if arguments.data is None:
        parser.error("say where the data are: --data, or POLYTASK_DATA")
    os.environ["POLYTASK_DATA"] = str(arguments.data)
    torch.set_num_threads(1)
    import_module("scipy.special")  # else loaded by the first training, which would be longer
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            for name in arguments.sets:
                for encoder in arguments.encoders:
                    if (name, encoder) not in LEFT_OUT:
                        complete(arguments.out, Path(folder), name, encoder, seed, arguments.steps)


def complete(out: Path, folder: Path, name: str, encoder: str, seed: int, steps: int) -> None:
    """Do the trainings of one cell that the file does not have: of seed 0 all rates, else the chosen one."""
    cell = {"set": name, "encoder": encoder, "steps": None if encoder == TREES else steps}
    done = [line for line in _lines(out) if cell.items() <= line.items()]
    rates = SHRINKAGES if encoder == TREES else RATES
    if seed:
        rates = (_chosen(done)["rate"],)
    for rate in rates:
        if any((line["seed"], line["rate"]) == (seed, rate) for line in done):
            continue
        found = train(folder, name, encoder, seed, rate, steps)
        with out.open("a") as stream:
            stream.write(json.dumps({**cell, "seed": seed, "rate": rate, **found}) + "\n")


def train(folder: Path, name: str, encoder: str, seed: int, rate: float, steps: int) -> dict[str, Any]:
    """One training: mean skill on validation and test, seconds of the processor, parameters."""
    config = make_config({**table(name, folder), "encoder": ENCODERS.get(encoder), "seed": seed, "threads": 1})
    if encoder == TREES:
        started = time.process_time()
        record = fit_trees(config, {"learning_rate": rate, "max_iter": ROUNDS}, "test")
        seconds = time.process_time() - started
        parts = {part: {task: e[part] for task, e in record["tasks"].items()} for part in ("validation", "test")}
        levels = {task: entry["trivial"] for task, entry in record["tasks"].items()}
        return {part: skill(values, levels) for part, values in parts.items()} | {
            "seconds": seconds, "parameters": record["cost"]["parameters"]
        }  # fmt: skip
    data = prepared(config)
    network = network_of(config, data.schema, data.tasks)
    started = time.process_time()
    settings = pt.TrainingSettings(**SETTINGS, steps=steps, learning_rate=rate)
    result = pt.fit(network, train=data.rows["train"], validation=data.rows["validation"], settings=settings, seed=seed)
    seconds = time.process_time() - started
    values = {part: evaluate(result.model, data.rows[part]) for part in ("validation", "test")}
    levels = {part: trivial_levels(data.tasks, data.rows[part]) for part in values}
    return {part: skill(values[part], levels[part]) for part in values} | {
        "seconds": seconds, "parameters": sum(p.numel() for p in network.parameters())
    }  # fmt: skip


def skill(values: Mapping[str, float], levels: Mapping[str, float]) -> float:
    """Mean over the tasks of ``(metric - trivial) / (1 - trivial)``; the metrics used here are 1 at best."""
    shares = [(values[task] - level) / (1 - level) for task, level in levels.items() if level is not None]
    return fmean(share for share in shares if np.isfinite(share))


def prepared(config: Config) -> Prepared:
    """The data, read once for all encoders that want the same of them."""
    return _prepared(config.model_copy(update={"model": type(config.model)(), "encoder": None}).to_yaml(), config)


_kept: dict[tuple[str, str], Prepared] = {}


def _prepared(key: str, config: Config) -> Prepared:
    encoder = config.named_encoder
    whole = key, json.dumps({} if encoder is None else encoder.schema_options())
    if whole not in _kept:
        _kept.clear()
        _kept[whole] = prepare(config)
    return _kept[whole]


def table(name: str, folder: Path) -> dict[str, Any]:
    """Keys of ``fit`` for a set, with its table cut to this many rows in the folder."""
    return dict(_table(name, folder))


@cache
def _table(name: str, folder: Path) -> dict[str, Any]:
    if name == "tmc2007":
        keys, whole = _of_rows()
    else:
        keys = with_dataset({"dataset": name}, folder)
        whole = read_table(keys["data"])
        if "time" in keys:  # split at random, as in the other benchmarks: later rows are far from the earlier ones
            whole = whole.drop_columns([keys.pop("time")])
    rows = np.sort(np.random.default_rng(0).permutation(whole.num_rows)[:MOST_ROWS])
    path = folder / f"{name}-cut.parquet"
    pa.parquet.write_table(whole.take(rows), path)
    return keys | {"data": str(path)}


def _of_rows() -> tuple[dict[str, Any], pa.Table]:
    """tmc2007 as a table: 500 words that a report has or has not."""
    data = STUDY["tmc2007"].load(Path(os.environ["POLYTASK_DATA"]), 0)
    inputs = np.concatenate([part.inputs["numeric"].numpy() for part in data.rows.values()])
    targets = np.concatenate([part.targets.numpy() for part in data.rows.values()])
    names = [task.name for task in data.tasks]
    columns = {f"word{j}": inputs[:, j] for j in range(inputs.shape[1])}
    columns |= {target: targets[:, j].astype(int) for j, target in enumerate(names)}
    columns["split"] = np.repeat(list(data.rows), [len(part) for part in data.rows.values()])
    return {"targets": names, "split": "split", "kind": dict.fromkeys(names, "binary")}, pa.table(columns)


def _lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def _chosen(cell: list[dict[str, Any]]) -> dict[str, Any]:
    """The training of seed 0 with the rate that is best on validation."""
    tried = [line for line in cell if line["seed"] == 0]
    if not tried:
        raise SystemExit("seed 0 comes first, it chooses the rate")
    return max(tried, key=lambda line: line["validation"])


def report(lines: list[dict[str, Any]]) -> str:
    """Tables in Markdown: mean skill on test with its standard deviation over the seeds, seconds, and differences."""
    return "\n\n".join([_markdown(lines, _skills), _markdown(lines, _seconds), _over_sets(lines)])


def _over_sets(lines: list[dict[str, Any]]) -> str:
    """The default less the others, with the set as the unit."""
    rows = [f"| {FIRST} less | mean over sets | p | sets | trainings that are better |\n|---|---:|---:|---:|---:|"]
    for encoder in (*ENCODERS, TREES):
        gains = []
        for name in SETS if encoder != FIRST else ():
            ours, theirs = ({line["seed"]: line["test"] for line in _of(lines, name, one)} for one in (FIRST, encoder))
            gains.append([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])
        means = np.array([fmean(one) for one in gains if one])
        if len(means) > 1:
            every = [gain for one in gains for gain in one]
            rows.append(f"| {encoder} | {interval(means.tolist(), 3)} | {sign_flip_p(means):.3f} | {len(means)} "
                        f"| {sum(gain > 0 for gain in every)} of {len(every)} |")  # fmt: skip
    return "\n".join(rows)


def _markdown(lines: list[dict[str, Any]], cell: Any) -> str:
    head = f"| | {' | '.join(SETS)} |\n|---|{'---:|' * len(SETS)}"
    rows = (f"| {encoder} | {' | '.join(cell(list(_of(lines, name, encoder))) for name in SETS)} |"
            for encoder in (*ENCODERS, TREES))  # fmt: skip
    return "\n".join([head, *rows])


def _of(lines: list[dict[str, Any]], name: str, encoder: str) -> Iterator[dict[str, Any]]:
    """The trainings of a cell with the chosen rate."""
    own = [line for line in lines if (line["set"], line["encoder"]) == (name, encoder)]
    if own:
        rate = _chosen(own)["rate"]
        yield from (line for line in own if line["rate"] == rate)


def _skills(cell: list[dict[str, Any]]) -> str:
    values = [line["test"] for line in cell]
    if not values:
        return "-"
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{fmean(values):.3f}{spread} ({len(values)})"


def _seconds(cell: list[dict[str, Any]]) -> str:
    return f"{fmean(line['seconds'] for line in cell):.1f}" if cell else "-"


if __name__ == "__main__":
    main()
