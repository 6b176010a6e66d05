"""What every one of two processes runs for the tests of distributed training.

A module of its own, so that a spawned process can import it by name.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from polytask import AsynchronousConvergence, Callback, fit
from polytask.balancing import DWA
from polytask.grouping import Affinity
from polytask.processes.collectives import average_gradients, rank, sum_over_processes, world_size
from polytask.training import EventLog, TrainingResult
from polytask.training.callbacks import AffinityProbe
from small_training import Interrupt, make_model, make_rows, small_settings, tree_of

#: On the order of these rows no batch of four rows leaves both processes with labels of every task.
ROWS, VALIDATION = make_rows(missing=0.5), make_rows(600, seed=1)


class Last(Callback):
    """Parameters at the last evaluation, whichever are returned."""

    name = "last"

    def after_evaluation(self, training, evaluation):
        self.weights = {name: value.clone() for name, value in training.model.state_dict().items()}


def plain(batch: int = 4, **probe: Any) -> dict[str, Any]:
    """A training whose result depends on every row and on global weights, with labels missing."""
    last = Last()
    settings = small_settings(optimizer="sgd", batch_size=batch, steps=24, weight_decay=0.01, gradient_clip=1.0)
    result = fit(
        make_model(),
        train=ROWS,
        validation=VALIDATION,
        balancer=DWA(),
        callbacks=[last, AffinityProbe(every=5, **(probe or {"estimator": "lookahead", "lookahead": "momentum"}))],
        settings=settings,
    )
    losses = [evaluation.losses for evaluation in result.history]
    return {"weights": last.weights, "losses": losses, "affinity": result.callbacks["affinity"]["statistics"]}


def first_says_three(affinity: Affinity) -> bool:
    """Enough after three samples, but only the first process says so."""
    return rank() == 0 and affinity.meta["samples"] >= 3


def converging(folder: Path | None = None, interrupt: int | None = None) -> TrainingResult:
    """A training with everything: dropout, BatchNorm, switches, files."""
    callbacks = [Interrupt(interrupt), AsynchronousConvergence(patience=1, min_evaluations=2, tail=2)]
    return fit(
        make_model(dropout=0.3, norm=True),
        train=ROWS,
        validation=VALIDATION,
        callbacks=callbacks,
        settings=small_settings(steps=48, checkpoint_seconds=0.0),
        folder=folder,
        log=EventLog(folder / "metrics.jsonl") if folder else None,
    )


def early_stopping() -> TrainingResult:
    """Batch statistics differ between the processes; they must agree on the end all the same."""
    settings = small_settings(steps=300, evaluate_every=2, patience=2)
    return fit(make_model(norm=True), train=ROWS, validation=VALIDATION, settings=settings)


def gradients() -> list[Any]:
    """Means of gradients: on both processes, on one, on none."""
    parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad = torch.full((2,), 1.0 + rank())
    if rank() == 0:
        parameters[1].grad = torch.full((2,), 3.0)
    average_gradients(parameters)
    return [parameter.grad for parameter in parameters]


def gradients_of_types() -> list[Any]:
    """Means of gradients of several types."""
    types = (torch.bfloat16, torch.float32, torch.float64, torch.complex64)
    parameters = [torch.nn.Parameter(torch.zeros(2, dtype=dtype)) for dtype in types]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 1.0 + rank())
    average_gradients(parameters)
    return [parameter.grad for parameter in parameters]


def other_model() -> dict[str, torch.Tensor]:
    """Each process starts from numbers of its own."""
    model = make_model()
    if rank():
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1.0)
    fit(model, train=ROWS, validation=VALIDATION, settings=small_settings())
    return dict(model.state_dict())


def interrupted(folder: Path) -> TrainingResult:
    """Stopped twice on both processes."""
    for step in (7, 13):
        try:
            converging(folder, step)
        except KeyboardInterrupt:
            distributed.barrier()
    return converging(folder)


def run(number: int, folder: str, number_of_processes: int = 2) -> None:
    """Everything, in process ``number``; what it found goes into a file."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=number,
        world_size=number_of_processes,
        timeout=timedelta(seconds=300),
    )
    path = Path(folder)
    found = {
        "size": world_size(),
        "rank": rank(),
        "sum": sum_over_processes(torch.tensor([1.0 + number])),
        "gradients": gradients(),
        "types": gradients_of_types(),
        "plain": plain(),
        "one row": plain(batch=1),
        "stopping": plain(estimator="gramian", stop="confident", enough=first_says_three),
        "early": tree_of(early_stopping()),
        "memory": tree_of(converging()),
        "files": tree_of(converging(path / "whole")),
        "again": tree_of(converging(path / "whole")),
        "interrupted": tree_of(interrupted(path / "interrupted")),
        "other model": other_model(),
    }
    torch.save(found, path / f"{number}.pt")
    distributed.destroy_process_group()
