"""Imbalanced set-ups: data of the other benchmarks, the length of a training, and the grid of the tuning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

import polytask as pt
from convergence_setups import SETUPS as CONVERGENCE
from convergence_setups.setup import Data, Setup
from grouping_study.sets import SETS


def _study(name: str, hidden: tuple[int, ...] = (128, 64)) -> Setup:
    """A set of the study of groupings, with a network of two layers."""
    one = SETS[name]

    def load(folder: Path, cache: Path, seed: int) -> Data:
        data = one.load(folder, seed)

        def network(tasks: tuple[pt.Task, ...], seed: int, dropout: float) -> pt.MultiTaskModel:
            torch.manual_seed(seed)
            return pt.MultiTaskModel(pt.TableEncoder(numeric=data.width, hidden=hidden, dropout=dropout), tasks)

        return Data(data.tasks, data.rows, network)

    return Setup(name, load, 1200, 128, 20, (1e-3, 3e-3))


SETUPS: dict[str, Setup] = {
    setup.name: setup
    for setup in (
        _study("tmc2007"),
        replace(CONVERGENCE["tox21"], steps=900, learning_rates=(1e-3, 3e-3)),
        replace(CONVERGENCE["census"], steps=900),
        _study("rf1"),
        replace(CONVERGENCE["text"], steps=900, learning_rates=(1e-3, 3e-3)),
    )
}
