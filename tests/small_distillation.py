"""Single-task teachers of a small training, made once, and ways to distil from them."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn

from polytask import MTLKD, Callback, CooperativeDistillation, MultiTaskModel, OnlineDistillation, Task, Teacher
from polytask.training import train_teachers
from small_training import INPUTS, TASKS, make_model, make_rows, small_settings, train

ROWS, VALIDATION = make_rows(), make_rows(600, seed=1)


def single(task: Task) -> MultiTaskModel:
    """A fresh network for one task."""
    return make_model([task], norm=True)


@cache
def teachers() -> dict[str, Teacher]:
    """Teachers of all tasks, trained for twelve steps."""
    return train_teachers(single, TASKS, train=ROWS, validation=VALIDATION, settings=small_settings(steps=12))


def small_scd(brought: dict[str, Teacher] | None = None, **options: Any) -> CooperativeDistillation:
    """SCD with a short warm-up, calm adaptors, and the weights of MTLKD: features alone, in every step."""
    usual = {"warmup_epochs": 1, "adaptor_lr": 0.01, "beta": 1.0, "kappa": 0.0}
    usual |= {"every": 1} if options.get("features", True) else {}
    return CooperativeDistillation(brought or teachers(), **{**usual, **options})


METHODS = {
    "mtlkd": lambda: MTLKD(teachers(), kappa=0.5, adaptor_lr=0.01, taps=2, shared_adaptor=3, every=2),
    "scd": lambda: small_scd(kappa=0.5),
    "okd": lambda: OnlineDistillation(warmup_epochs=1),
}


def two_layers(sharing: str = "hard") -> MultiTaskModel:
    """A network whose encoder has two stages, in any architecture."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(INPUTS, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
    return MultiTaskModel(encoder, TASKS, sharing=sharing)


class Watch(Callback):
    """Every number of the model at every evaluation."""

    name = "watch"

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def after_evaluation(self, training: Any, evaluation: Any) -> None:
        self.weights.append({name: value.clone() for name, value in training.model.state_dict().items()})


def weights_of(*callbacks: Callback, **options: Any) -> list[dict[str, torch.Tensor]]:
    """What :class:`Watch` sees of a training."""
    watch = Watch()
    train(*callbacks, watch, **options)
    return watch.weights
