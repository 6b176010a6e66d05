"""Does affinity predict what training two tasks together brings? All pairs and singles are trained."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

import polytask as pt
from polytask.grouping.affinity import AffinityStatistics
from polytask.training.objective import Objective

from .over_time import over_time
from .problems import Problem
from .series import record

#: Budget of one training of these small networks.
SETTINGS: dict[str, Any] = {"evaluate_every": 25, "patience": 4, "device": "cpu"}
#: The joint trainings in which affinity is measured, and what is recorded in each.
TRAININGS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "usual": ({}, ("exact", "own", "gramian", "factored", "representation")),
    "sgd": ({"optimizer": "sgd", "learning_rate": 0.01}, ("momentum", "exact")),
    "cosine": ({"schedule": "cosine"}, ("exact",)),
}
Losses = dict[tuple[int, tuple[int, ...]], list[float]]


def test_losses(problem: Problem, members: tuple[int, ...], seed: int) -> list[float]:
    """Train some tasks together, stop early by validation; mean test loss of each."""
    model = problem.model(seed, members)
    settings = pt.TrainingSettings(steps=problem.steps, batch_size=problem.batch, **SETTINGS)
    rows = [problem.rows(part, members) for part in ("train", "validation", "test")]
    result = pt.fit(model, train=rows[0], validation=rows[1], settings=settings, seed=seed)
    test = rows[2][torch.arange(len(rows[2]))]
    with torch.no_grad():
        return Objective(model.heads.groups, len(members))(result.model.grouped(test.inputs), test).means.tolist()


def stored(problem: Problem, out: Path) -> Losses:
    """Test losses by seed and members, as far as they are in ``out``."""
    cells = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return {(c["seed"], tuple(c["members"])): c["losses"] for c in cells if c["problem"] == problem.name}


def sets_of(problem: Problem) -> list[tuple[int, ...]]:
    """All singles and pairs of tasks."""
    tasks = range(problem.targets.shape[1])
    return [(task,) for task in tasks] + list(itertools.combinations(tasks, 2))


def train_all(problem: Problem, seed: int, out: Path, cache: Path) -> None:
    """All pairs and singles of a seed, one line of ``out`` per training, and the joint trainings with all estimators.

    What is there is not repeated.
    """
    found = stored(problem, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    for members in sets_of(problem):
        if (seed, members) not in found:
            cell = {"problem": problem.name, "seed": seed, "members": members}
            with out.open("a") as file:
                print(json.dumps({**cell, "losses": test_losses(problem, members, seed)}), file=file)
    for settings, names in TRAININGS.values():
        record(problem, seed, names, cache, **settings)


def complete_seeds(problem: Problem, losses: Losses) -> list[int]:
    """Seeds for which all pairs and singles are trained."""
    seeds = sorted({seed for seed, _ in losses})
    return [seed for seed in seeds if all((seed, members) in losses for members in sets_of(problem))]


def gain_matrix(losses: Losses, tasks: int, seed: int) -> np.ndarray:
    """``[K, K]``: relative fall of the test loss of task j when trained with task i instead of alone."""
    gains = np.zeros((tasks, tasks))
    for i, j in itertools.combinations(range(tasks), 2):
        together = losses[seed, (i, j)]
        for donor, recipient, after in ((j, i, together[0]), (i, j, together[1])):
            gains[donor, recipient] = 1 - after / losses[seed, (recipient,)][0]
    return gains


def predictors(problem: Problem, seed: int, cache: Path) -> dict[str, np.ndarray]:
    """Affinities by estimator, lookahead and normalisation; means over all steps unless said otherwise."""
    series = {name: record(problem, seed, names, cache, **settings) for name, (settings, names) in TRAININGS.items()}
    usual, decayed = series["usual"], series["cosine"]
    losses, rate = usual["losses"][:, None, :], usual["rate"][:, None, None]
    inner = usual["gramian"] * losses / rate
    norms = np.sqrt(np.einsum("tii->ti", inner))
    half = len(inner) // 2
    with np.errstate(invalid="ignore", divide="ignore"):
        histories = {
            "lookahead sgd": usual["exact"],
            "lookahead optimizer (Adam)": usual["own"],
            "factored (default)": usual["factored"],
            "gramian": usual["gramian"],
            "representation": usual["representation"],
            "cosine": inner / (norms[:, :, None] * norms[:, None, :]),
            "inner product, not divided by the loss": inner,
            "inner product / squared length of the recipient's": inner / (norms**2)[:, None, :],
            "lookahead sgd / length of the donor's": usual["exact"] / norms[:, :, None],
            "lookahead sgd, first half": usual["exact"][:half],
            "lookahead sgd, second half": usual["exact"][half:],
            "training with momentum: lookahead momentum": series["sgd"]["momentum"],
            "training with momentum: lookahead sgd": series["sgd"]["exact"],
            "training with cosine schedule: lookahead sgd": decayed["exact"],
            "training with cosine schedule: lookahead sgd, divide_by_lr": (
                decayed["exact"] / np.maximum(decayed["rate"], 1e-12)[:, None, None]
            ),
        }
    found = {name: np.nan_to_num(np.nanmean(history, 0)) for name, history in histories.items()}
    for how in ("trapezoid", "winsorised"):
        for name in ("lookahead sgd", "lookahead optimizer (Adam)"):
            found[f"{name}, time: {how}"] = through_windows(histories[name], how)
    return found


def through_windows(history: np.ndarray, how: str) -> np.ndarray:
    """``[K, K]`` from ``[T, K, K]`` as the affinity callback does it."""
    statistics = AffinityStatistics(history.shape[1])
    everybody = torch.ones(history.shape[1], dtype=torch.bool)
    for step, sample in enumerate(history):
        statistics.add(torch.from_numpy(sample), everybody, step)
    return over_time(statistics.windows, how)
