"""Small multi-task problems on which affinity is measured."""

from __future__ import annotations

import csv
import itertools
import re
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

import polytask as pt

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))
from mulan import TARGETS, ordered_split, read_arff

SHARES = [0.7, 0.15, 0.15]


@dataclass(frozen=True)
class Problem:
    """Inputs ``[n, D]``, targets ``[n, K]`` (NaN: no label), the split and how long to train.

    Attributes:
        groups: Known group of every task; empty if unknown.
    """

    name: str
    kind: str
    inputs: np.ndarray
    targets: np.ndarray
    split: np.ndarray
    batch: int
    steps: int
    hidden: tuple[int, ...]
    groups: tuple[int, ...] = ()

    @property
    def tasks(self) -> list[pt.Task]:
        """The tasks, in order."""
        return [pt.Task(f"t{index}", kind=self.kind) for index in range(self.targets.shape[1])]

    def rows(self, part: str, tasks: Sequence[int] | None = None) -> pt.Rows:
        """``training``, ``validation`` or ``test`` rows, with some of the tasks."""
        chosen = self.split == part
        numbers = range(self.targets.shape[1]) if tasks is None else tasks
        labels = {self.tasks[i].name: torch.tensor(self.targets[chosen][:, i]).float() for i in numbers}
        return pt.Rows.from_labels(torch.tensor(self.inputs[chosen]).float(), labels, [self.tasks[i] for i in numbers])

    def model(self, seed: int, tasks: Sequence[int] | None = None) -> pt.MultiTaskModel:
        """A perceptron with a linear head per task."""
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise((self.inputs.shape[1], *self.hidden)):
            layers += [nn.Linear(a, b), nn.ReLU()]
        numbers = range(self.targets.shape[1]) if tasks is None else tasks
        return pt.MultiTaskModel(nn.Sequential(*layers), [self.tasks[i] for i in numbers])


def standardised(values: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and deviation 1 on the training rows."""
    return (values - values[training].mean(0)) / (values[training].std(0) + 1e-6)


def digits(data: Path | None) -> Problem:
    """Nine questions about the 1,797 handwritten digits of scikit-learn."""
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True)
    images = pixels.reshape(-1, 8, 8)
    ink = [images[:, :4].sum((1, 2)), images[:, :, :4].sum((1, 2)), images[:, 2:6, 2:6].sum((1, 2))]
    sets = [(0, 2, 4, 6, 8), (5, 6, 7, 8, 9), (2, 3, 5, 7), (0, 6, 8, 9), (1, 4, 7), (0, 3, 6, 9)]
    targets = [np.isin(digit, members) for members in sets] + [part > np.median(part) for part in ink]
    split = np.random.default_rng(0).permutation(ordered_split(len(digit), SHARES))
    inputs = standardised(pixels, split == "train")
    return Problem("digits", "binary", inputs, np.stack(targets, 1).astype(float), split, 128, 600, (256, 128))


def tox21(data: Path | None) -> Problem:
    """Twelve toxicity assays; 1,024 hashed counts of character n-grams of the SMILES."""
    assert data is not None
    with (data / "tox21" / "tox21.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    inputs = np.zeros((len(rows), 1024))
    for row, (smiles, *_) in enumerate(rows):
        for n in (1, 2, 3, 4):
            for start in range(len(smiles) - n + 1):
                inputs[row, zlib.crc32(smiles[start : start + n].encode()) % 1024] += 1
    inputs = np.log1p(inputs)
    inputs *= 8 / np.linalg.norm(inputs, axis=1, keepdims=True)
    targets = np.array([[float(cell) if cell else np.nan for cell in row[1:]] for row in rows])
    split = np.random.default_rng(0).permutation(ordered_split(len(rows), SHARES))
    return Problem("tox21", "binary", inputs, targets, split, 256, 400, (256, 128))


def mulan(name: str, data: Path | None) -> Problem:
    """A multi-target regression set, in the order of its rows."""
    assert data is not None
    table = read_arff(data / "mtr" / f"{name}.arff")
    values = np.stack([column.to_numpy(zero_copy_only=False) for column in table.columns], 1).astype(float)
    split = ordered_split(len(values), SHARES)
    values = standardised(values, split == "train")
    inputs, targets = values[:, : -TARGETS[name]], values[:, -TARGETS[name] :]
    return Problem(name, "regression", inputs, targets, split, 128, 600, (256, 128))


def known_groups(tasks: int, seed: int = 0, groups: int = 3, rows: int = 4000) -> Problem:
    """Binary tasks in known groups: each asks for a mixture of the five curves of its group."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(rows, 20))
    directions = rng.normal(size=(groups, 20, 5)) / np.sqrt(20)
    group = tuple(index % groups for index in range(tasks))
    scores = [
        np.tanh(2 * inputs @ directions[g]) @ (1 + 0.3 * rng.normal(size=5)) + 0.3 * rng.normal(size=rows)
        for g in group
    ]
    targets = (np.stack(scores, 1) > 0).astype(float)
    return Problem(
        f"groups{tasks}", "binary", inputs, targets, ordered_split(rows, SHARES), 128, 600, (256, 128), group
    )


PROBLEMS: dict[str, Callable[[Path | None], Problem]] = {
    "digits": digits,
    "tox21": tox21,
    "scm20d": lambda data: mulan("scm20d", data),
    "wq": lambda data: mulan("wq", data),
    "groups": lambda data: known_groups(9),
}


@cache
def problem(name: str, data: Path | None) -> Problem:
    """A problem by name; ``groups40:7`` is 40 tasks in known groups, drawn with seed 7."""
    if found := re.fullmatch(r"groups(\d+):(\d+)", name):
        return known_groups(int(found[1]), int(found[2]))
    return PROBLEMS[name](data)
