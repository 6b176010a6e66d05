"""Does affinity predict what training two tasks together brings? All pairs and singles are trained."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

import polytask as pt
from polytask.training.objective import Objective

from .measures import centred
from .problems import Problem

#: Budget of one training of these small networks.
SETTINGS: dict[str, Any] = {"evaluate_every": 25, "patience": 4, "device": "cpu"}


def test_losses(problem: Problem, members: tuple[int, ...], seed: int) -> list[float]:
    """Train some tasks together, stop early by validation; mean test loss of each."""
    model = problem.model(seed, members)
    settings = pt.TrainingSettings(steps=problem.steps, batch_size=problem.batch, **SETTINGS)
    rows = [problem.rows(part, members) for part in ("train", "validation", "test")]
    result = pt.fit(model, train=rows[0], validation=rows[1], settings=settings, seed=seed)
    test = rows[2][torch.arange(len(rows[2]))]
    with torch.no_grad():
        return Objective(model.heads.groups, len(members))(result.model.grouped(test.inputs), test).means.tolist()


def train_all(problem: Problem, seeds: int, out: Path) -> dict[tuple[int, tuple[int, ...]], list[float]]:
    """Test losses by seed and members; one line of ``out`` per training, those that are there are not repeated."""
    found: dict[tuple[int, tuple[int, ...]], list[float]] = {}
    if out.exists():
        for line in out.read_text().splitlines():
            cell = json.loads(line)
            if cell["problem"] == problem.name:
                found[cell["seed"], tuple(cell["members"])] = cell["losses"]
    tasks = range(problem.targets.shape[1])
    sets = [(task,) for task in tasks] + list(itertools.combinations(tasks, 2))
    for seed, members in itertools.product(range(seeds), sets):
        if (seed, members) not in found:
            losses = test_losses(problem, members, seed)
            found[seed, members] = losses
            out.parent.mkdir(parents=True, exist_ok=True)
            with out.open("a") as file:
                print(
                    json.dumps({"problem": problem.name, "seed": seed, "members": members, "losses": losses}), file=file
                )
    return found


def gain_matrix(losses: dict[tuple[int, tuple[int, ...]], list[float]], tasks: int, seed: int) -> np.ndarray:
    """``[K, K]``: relative fall of the test loss of task j when trained with task i instead of alone."""
    gains = np.zeros((tasks, tasks))
    for i, j in itertools.combinations(range(tasks), 2):
        together = losses[seed, (i, j)]
        for donor, recipient, after in ((j, i, together[0]), (i, j, together[1])):
            gains[donor, recipient] = 1 - after / losses[seed, (recipient,)][0]
    return gains


def predictors(series: dict[str, np.ndarray], learning_rate: float) -> dict[str, np.ndarray]:
    """Affinities by estimator, lookahead and normalisation from recorded samples, all as means over steps."""
    found = {name: np.nanmean(series[name], 0) for name in series if name != "losses"}
    losses = series["losses"][:, None, :]
    inner = series["gramian"] * losses / learning_rate
    norms = np.sqrt(np.einsum("tii->ti", inner))
    with np.errstate(invalid="ignore", divide="ignore"):
        found["inner product, not divided by the loss"] = np.nanmean(inner, 0)
        found["cosine"] = np.nanmean(inner / (norms[:, :, None] * norms[:, None, :]), 0)
        found["inner product / squared length of the recipient's"] = np.nanmean(inner / (norms**2)[:, None, :], 0)
        found["exact, divided by the donor's length"] = np.nanmean(series["exact"] / norms[:, :, None], 0)
    half = len(losses) // 2
    found["exact, first half"] = np.nanmean(series["exact"][:half], 0)
    found["exact, second half"] = np.nanmean(series["exact"][half:], 0)
    return found


def correlation(prediction: np.ndarray, gains: np.ndarray) -> float:
    """Spearman correlation within recipients (columns centred)."""
    return float(spearmanr(centred(prediction), centred(gains))[0])
