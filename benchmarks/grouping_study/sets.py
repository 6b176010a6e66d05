"""The data sets: small networks, so that a training takes about a second."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

import polytask as pt
from convergence_setups.tables import TOX21, load_tox21
from datasets.mulan import TARGETS, ordered_split, read_arff

PARTS = ("train", "validation", "test")
SHARES = [0.7, 0.15, 0.15]
FARTHEST = 3.0  # standard deviations; in a set split by time later inputs can be far outside of what was trained on


@dataclass(frozen=True)
class Data:
    """One seed's data."""

    tasks: tuple[pt.Task, ...]
    rows: dict[str, pt.Rows]
    width: int


@dataclass(frozen=True)
class Set:
    """A data set, and the settings of every training on it."""

    name: str
    tasks: int
    load: Callable[[Path, int], Data]
    steps: int
    batch_size: int

    def settings(self, part: int = 1) -> pt.TrainingSettings:
        """Those of a training, or of one with a part of its steps (2: half of them)."""
        return pt.TrainingSettings(
            steps=self.steps // part, batch_size=self.batch_size, evaluate_every=self.steps // 20, ema=0.98, threads=1
        )


def regression(name: str, in_time: bool) -> Callable[[Path, int], Data]:
    """A set of the Mulan collection; split by time, or at random per seed. Targets are standardised.

    rf1 is split at random although its rows follow each other in time: split by time every network is far worse than a
    constant for most of its targets, and nothing could be compared.
    """

    def load(folder: Path, seed: int) -> Data:
        table = _arff(folder / "mtr" / f"{name}.arff")
        words = ordered_split(table.num_rows, SHARES)
        if not in_time:
            words = words[np.random.default_rng(seed).permutation(len(words))]
        columns = np.stack([np.asarray(table.column(i), float) for i in range(table.num_columns)], axis=1)
        count = TARGETS[name]
        inputs, targets = (
            np.nan_to_num(_standardised(columns[:, :-count], words)).clip(-FARTHEST, FARTHEST),
            _standardised(columns[:, -count:], words),
        )
        tasks = tuple(pt.Task(target, kind="regression") for target in table.column_names[-count:])
        return _data(tasks, inputs, targets, words)

    return load


@cache
def _arff(path: Path):
    return read_arff(path)


def _standardised(columns: np.ndarray, words: np.ndarray) -> np.ndarray:
    train = columns[words == "train"]
    return (columns - np.nanmean(train, axis=0)) / np.maximum(np.nanstd(train, axis=0), 1e-9)


def _data(tasks: tuple[pt.Task, ...], inputs: np.ndarray, targets: np.ndarray, words: np.ndarray) -> Data:
    rows = {
        part: pt.Rows.from_matrix(
            {"numeric": torch.from_numpy(inputs[words == part]).float()}, torch.from_numpy(targets[words == part])
        )
        for part in PARTS
    }
    return Data(tasks, rows, inputs.shape[1])


def load_tmc(folder: Path, seed: int) -> Data:
    """22 binary tasks on 500 words; the official test rows, and a random sixth of the others for validation."""
    train, test = (
        _sparse(folder / "multilabel" / "tmc2007-500" / f"tmc2007-500-{part}.arff.gz") for part in ("train", "test")
    )
    words = np.full(len(train) + len(test), "test", dtype="<U10")
    words[: len(train)] = np.where(np.random.default_rng(seed).random(len(train)) < 1 / 6, "validation", "train")
    everything = np.concatenate([train, test]).astype(np.float32)
    tasks = tuple(pt.Task(f"class{number:02d}") for number in range(1, 23))
    return _data(tasks, everything[:, :500], everything[:, 500:], words)


@cache
def _sparse(path: Path) -> np.ndarray:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    rows = [line.strip("{}\n ") for line in lines if line.startswith("{")]
    dense = np.zeros((len(rows), 522), np.uint8)
    for number, row in enumerate(rows):
        dense[number, [int(entry.split()[0]) for entry in row.split(",") if entry.strip()]] = 1
    return dense


def load_molecules(folder: Path, seed: int) -> Data:
    """Tox21 as in the benchmark of convergence: 12 binary tasks with missing labels."""
    data = load_tox21(folder, folder, seed)
    return Data(data.tasks, data.rows, data.rows["train"].inputs["numeric"].shape[1])


def few(whole: Set, count: int) -> Set:
    """A set with some of its tasks, evenly spaced, so that networks for all groups of them can be trained."""
    places = [place * whole.tasks // count for place in range(count)]

    def load(folder: Path, seed: int) -> Data:
        data = whole.load(folder, seed)
        rows = {part: rows.only_tasks(places) for part, rows in data.rows.items()}
        return Data(tuple(data.tasks[place] for place in places), rows, data.width)

    return replace(whole, name=f"{whole.name}_{count}", tasks=count, load=load)


SETS = {
    one.name: one
    for one in (
        Set("wq", 14, regression("wq", in_time=False), 400, 64),
        Set("rf1", 8, regression("rf1", in_time=False), 600, 128),
        Set("tox21", len(TOX21), load_molecules, 400, 128),
        Set("scm20d", 16, regression("scm20d", in_time=True), 600, 128),
        Set("tmc2007", 22, load_tmc, 400, 128),
    )
}
#: Sets whose networks are all trained, for every group of tasks.
SMALL = {
    one.name: one
    for one in (
        *(few(whole, 7) for whole in SETS.values()),
        Set("andro", 6, regression("andro", in_time=False), 300, 16),
    )
}
