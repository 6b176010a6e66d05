"""Imbalanced set-ups: data of the other benchmarks, the length of a training, and the grid of the tuning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import polytask as pt
from convergence_setups import SETUPS as CONVERGENCE
from convergence_setups.setup import Data, Setup
from grouping_study.sets import SETS, regression

from .atis import load_atis

RATES, FAST = (1e-3, 3e-3), (3e-3, 1e-2)


#: Regression on tables: long trainings with large steps, no dropout.
REGRESSION: dict[str, Any] = {
    "steps": 1000, "batch_size": 128, "evaluate_every": 50, "learning_rates": FAST, "dropouts": (0.0,)
}  # fmt: skip


def _study(name: str, load_set=None, hidden: tuple[int, ...] = (128, 64), **settings) -> Setup:
    """A set of the study of groupings, with a network of two layers."""
    load_set = load_set or SETS[name].load

    def load(folder: Path, cache: Path, seed: int) -> Data:
        data = load_set(folder, seed)
        tasks = tuple(map(_with_scale, data.tasks))

        def network(tasks: tuple[pt.Task, ...], seed: int, dropout: float) -> pt.MultiTaskModel:
            torch.manual_seed(seed)
            return pt.MultiTaskModel(pt.TableEncoder(numeric=data.width, hidden=hidden, dropout=dropout), tasks)

        return Data(tasks, data.rows, network)

    return Setup(name, load, **{**REGRESSION, **settings})


def _other(name: str) -> Setup:
    """A set-up of the benchmark of convergence."""
    one = CONVERGENCE[name]

    def load(folder: Path, cache: Path, seed: int) -> Data:
        data = one.load(folder, cache, seed)
        return replace(data, tasks=tuple(map(_with_scale, data.tasks)))

    return replace(one, load=load, learning_rates=RATES, dropouts=(0.3,), steps=600, batch_size=128, evaluate_every=30)


def _with_scale(task: pt.Task) -> pt.Task:
    """The task with a metric whose relative gains mean something: not one that is near 0 for all methods."""
    if task.kind == "regression" and task.metric == "r2":
        return replace(task, metric="rmse")
    return replace(task, metric="roc_auc") if task.metric == "matthews" else task


SETUPS: dict[str, Setup] = {
    setup.name: setup
    for setup in (
        _study("tmc2007", steps=600, evaluate_every=30, learning_rates=RATES, dropouts=(0.3,)),
        _other("tox21"),
        _other("census"),
        _study("rf1"),
        # Split at random, as rf1: in the order of time its later prices are far from all that was trained on.
        _study("scm20d", regression("scm20d", in_time=False)),
        _other("text"),
        Setup("atis", load_atis, 500, 32, 25, FAST, (0.3,)),
    )
}
