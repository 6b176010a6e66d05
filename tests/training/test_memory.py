"""Memory of a run does not grow with its soft labels, which live in mapped files."""

from __future__ import annotations

import multiprocessing
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from polytask import AsynchronousConvergence, MultiTaskModel, Rows, Task, TrainingSettings, fit

ROWS = 5_000_000


def peak_megabytes(folder: str, converge: bool, queue: Any) -> None:
    """Train three tasks for a few steps on many rows; every task converges if asked. Gives the peak resident memory."""
    torch.set_num_threads(1)
    tasks = [Task("a"), Task("b"), Task("c", kind="regression")]
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(ROWS, 2, generator=generator)
    targets = torch.stack([inputs[:, 0] > 0, inputs[:, 1] > 0, inputs[:, 0]], 1).float()
    rows = Rows(inputs, targets, None)
    few = Rows(inputs[:2000], targets[:2000], None)
    torch.manual_seed(0)
    model = MultiTaskModel(nn.Sequential(nn.Linear(2, 4), nn.ReLU()), tasks)
    callbacks = [AsynchronousConvergence(patience=1, min_evaluations=2, test="fixed", fixed_step=8)] if converge else []
    settings = TrainingSettings(steps=20, batch_size=256, evaluate_every=4, learning_rate=0.05, device="cpu")
    result = fit(model, train=rows, validation=few, callbacks=callbacks, settings=settings, folder=Path(folder))
    switched = sum(task.converged_epoch is not None for task in result.tasks.values())
    queue.put((switched, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


@pytest.mark.slow
def test_five_million_rows_and_three_tasks_take_at_most_200_mb_more(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    found = []
    for converge in (False, True):
        queue = context.Queue()
        process = context.Process(target=peak_megabytes, args=(str(tmp_path / str(converge)), converge, queue))
        process.start()
        found.append(queue.get(timeout=300))
        process.join()
    (plain_switched, plain), (switched, converged) = found
    assert (plain_switched, switched) == (0, 3)
    assert converged < plain + 200
