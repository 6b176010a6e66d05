"""Models of other libraries on the rows of a run, fitted in an environment of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polytask.data import Rows
from polytask.models.fitted import Columns, dense_leaves
from polytask.task import Task
from polytask.training.evaluation import task_estimate, task_targets

METHODS = ("catboost", "lightgbm", "realmlp", "tabm")


def written_job(folder: Path, learn: Rows, test: Rows, columns: Columns, tasks: Sequence[Task], seed: int) -> None:
    """What :mod:`quality_study.fit_peers` reads: the columns that trees see, and targets as our models learn them."""
    arrays = {"train": columns(learn.inputs).numpy(), "test": columns(test.inputs).numpy()}
    targets = {}
    for place, task in enumerate(tasks):
        rows, labels = task_targets(learn, place)
        arrays |= {f"rows of {task.name}": rows.numpy(), f"labels of {task.name}": labels.numpy()}
        targets[task.name] = {"numeric": task.definition.numeric}
    np.savez(folder / "columns.npz", **arrays)
    about = {"seed": seed, "targets": targets, "categories": category_places(learn.inputs)}
    (folder / "job.json").write_text(json.dumps(about))


def category_places(inputs: Any) -> list[int]:
    """Places of the columns that hold codes of categories."""
    if isinstance(inputs, Tensor):
        return []
    found, first = [], 0
    for name in dense_leaves(inputs):
        width = inputs[name].shape[1]
        found += [] if inputs[name].is_floating_point() else list(range(first, first + width))
        first += width
    return found


def fitted_elsewhere(folder: Path, method: str, python: Path) -> tuple[dict[str, np.ndarray], float]:
    """Predictions for the test rows by target, and the seconds of the fits."""
    script = Path(__file__).with_name("fit_peers.py")
    subprocess.run([python, script, folder, method], check=True, env={"OMP_NUM_THREADS": "1"})
    stored = dict(np.load(folder / f"{method}.npz"))
    return stored, float(stored.pop("seconds"))


def metric_of(task: Task, place: int, test: Rows, learned: np.ndarray, predictions: np.ndarray) -> float:
    """Test metric of a target; ``learned``: its training labels, whose classes are the columns of the predictions."""
    values = torch.from_numpy(predictions).float()
    if not task.definition.numeric:
        shares = torch.zeros(len(values), len(task.classes))
        shares[:, torch.from_numpy(np.unique(learned)).long()] = values
        values = shares if task.definition.vector_output else shares[:, 1]
    ids, targets = task_targets(test, place)
    outputs = task.definition.outputs_of(values.reshape(len(values), -1).squeeze(-1))
    return task_estimate(task, outputs[ids], targets, test.units(ids)).value
