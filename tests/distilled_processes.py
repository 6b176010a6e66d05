"""What every one of two processes runs for the tests of distillation and of sharing architectures.

A module of its own, so that a spawned process can import it by name.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from polytask import MTLKD, Callback, CooperativeDistillation, MultiTaskModel, OnlineDistillation, Teacher, fit
from polytask.balancing import DWA
from small_training import INPUTS, TASKS, make_rows, small_settings

ROWS, VALIDATION = make_rows(missing=0.5), make_rows(60, seed=1)


def teachers() -> dict[str, Teacher]:
    """Made without a training, which would be one of two processes."""
    torch.manual_seed(3)
    known = {"level": 0.7, "best_epoch": 1.0, "losses": (1.0, 0.5)}
    return {
        task.name: Teacher.from_module(nn.Linear(INPUTS, 4 + place % 2), ROWS, **known)
        for place, task in enumerate(TASKS)
    }


OF_FEATURES: dict[str, Any] = {"warmup_epochs": 0.2, "adaptor_lr": 0.01, "beta": 1.0, "kappa": 0.0}
METHODS: dict[str, Callable[[], Callback]] = {
    "mtlkd": lambda: MTLKD(teachers(), adaptor_lr=0.01),
    "labelled": lambda: MTLKD(teachers(), adaptor_lr=0.01, unlabelled=False),
    "scd": lambda: CooperativeDistillation(teachers(), **OF_FEATURES),
    "grad_cos": lambda: CooperativeDistillation(teachers(), similarity="grad_cos", probe_every=1, **OF_FEATURES),
    "okd": lambda: OnlineDistillation(warmup_epochs=0.2),
    "mmoe": Callback,
    "cross_stitch": Callback,
}


class Last(Callback):
    """Parameters at the last evaluation."""

    name = "last"

    def after_evaluation(self, training: Any, evaluation: Any) -> None:
        self.weights = {name: value.clone() for name, value in training.model.state_dict().items()}


def train(method: str) -> dict[str, torch.Tensor]:
    """A training with labels missing, in batches in which a process may lack a task."""
    torch.manual_seed(5)
    encoder = nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh())
    model = MultiTaskModel(encoder, TASKS, sharing=method if method in ("mmoe", "cross_stitch") else "hard")
    last = Last()
    settings = small_settings(optimizer="sgd", batch_size=4, steps=24, weight_decay=0.01)
    callbacks = [METHODS[method](), last]
    fit(model, train=ROWS, validation=VALIDATION, balancer=DWA(), callbacks=callbacks, settings=settings)
    return last.weights


def run(number: int, folder: str) -> None:
    """Everything, in process ``number`` of two; what it found goes into a file."""
    torch.set_num_threads(1)
    made = {"rank": number, "world_size": 2, "timeout": timedelta(seconds=300)}
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", **made)
    torch.save({method: train(method) for method in METHODS}, Path(folder) / f"{number}.pt")
    distributed.destroy_process_group()
