"""The best linear model of each task: what scikit-learn gives in seconds, a baseline for every metric of the run."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Rows, SparseRows
from ..data.molecule_graphs import GRAPHS
from ..pretrained.encoder import VECTORS
from ..task import Task
from ..training.evaluation import task_estimate, task_targets
from ..uncertainty import Estimate

#: Inverse strengths of the penalty that are tried; validation chooses.
STRENGTHS = (0.0001, 0.01, 1.0)
#: Most passes of a solver over the rows.
PASSES = 50
#: Numbers that all fits of a run may go through in each pass, so that they take seconds.
MOST_NUMBERS = 60_000_000
#: A linear model of fewer rows, where there are more, carries no information.
LEAST_ROWS = 500


def linear_models(
    parts: Mapping[str, Rows], final_part: str, tasks: Sequence[Task], seed: int = 0
) -> tuple[dict[str, dict[str, Estimate]], str]:
    """Linear and logistic regression on the inputs of the networks; the penalty is chosen on validation rows.

    Args:
        parts: Rows by part; of many training rows some are drawn, so that it takes seconds.
        final_part: What is measured at the end.
        tasks: All tasks; those whose kind has no linear model are left out.
        seed: Seed of the rows that are drawn.

    Returns:
        ``validation`` and ``test`` by task; and a note: what was left out and why, or of how many rows they are.
    """
    train = parts["train"]
    if not isinstance(train, Rows):
        return {}, "no linear models: the table is streamed"
    if (sizes := _width(train.inputs)) is None:
        return {}, "no linear models: the inputs are not numbers, categories or texts of a table"
    width, entries = sizes
    chosen = [place for place, task in enumerate(tasks) if task.definition.linear_model(1.0, PASSES) is not None]
    outputs = sum(max(2, len(tasks[place].classes)) - 1 for place in chosen)
    most = int(MOST_NUMBERS / max(1.0, entries * outputs * len(STRENGTHS)))
    if most < min(LEAST_ROWS, len(train)):
        return {}, f"no linear models: {width:,} columns for {len(chosen)} tasks take more than seconds"
    matrices = _without_empty(
        {part: _matrix(parts[part].inputs, width) for part in {"train", "validation", final_part}}
    )
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, dict[str, Estimate]] = {}
    for place in chosen:
        ids, targets = task_targets(train, place)
        drawn = torch.randperm(len(ids), generator=generator)[:most]
        labelled = {part: _labelled(parts[part], place, matrices[part]) for part in ("validation", final_part)}
        best = _best(tasks[place], matrices["train"][ids[drawn].numpy()], targets[drawn], labelled)
        if best is not None:
            found[tasks[place].name] = {"validation": best["validation"], "test": best[final_part]}
    return found, f"linear models of {most:,} of {len(train):,} training rows" if most < len(train) else ""


def _without_empty(matrices: dict[str, Any]) -> dict[str, Any]:
    """Sparse matrices without the columns that are empty in all training rows, such as most of hashed texts.

    The penalty keeps the weight of such a column at 0, but a solver goes through all of them in each pass.
    """
    if isinstance(matrices["train"], np.ndarray):
        return matrices
    filled = np.unique(matrices["train"].indices)
    return {part: matrix[:, filled] for part, matrix in matrices.items()}


def _best(
    task: Task, inputs: Any, targets: Tensor, labelled: Mapping[str, tuple[Any, Tensor, Tensor]]
) -> dict[str, Estimate] | None:
    """Metrics by part of the model that is best on validation; None if nothing can be learned."""
    if len(targets) < 2 or len(targets.unique()) < 2:
        return None
    sign = task.metric_definition.sign
    found = []
    for strength in STRENGTHS:
        model = fitted_linear(task, strength, inputs, y=targets.numpy())
        found.append({part: _metric(task, model, *rows) for part, rows in labelled.items()})
    return max(found, key=lambda metrics: np.nan_to_num(sign * metrics["validation"].value, nan=-np.inf))


def _labelled(rows: Rows, position: int, inputs: Any) -> tuple[Any, Tensor, Tensor]:
    """Inputs of the rows with a label, their targets, and what they count as in standard errors."""
    ids, targets = task_targets(rows, position)
    return inputs[ids.numpy()], targets, rows.units(ids)


def _metric(task: Task, model: Any, inputs: Any, targets: Tensor, units: Tensor) -> Estimate:
    if not len(units):
        return replace(Estimate.exact(math.nan), counted=0)
    return task_estimate(task, task.definition.outputs_of(predicted(task, model, inputs)), targets, units)


def fitted_linear(task: Task, strength: float, matrix: Any, **labels: Any) -> Any:
    """The linear model of a task, fitted; ``labels`` are what ``fit`` takes besides the matrix."""
    model = task.definition.linear_model(strength, PASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped after this many passes
        return model.fit(matrix, **labels)


def predicted(task: Task, model: Any, inputs: Any) -> Tensor:
    """What ``task.definition.predict`` gives, by a fitted model of scikit-learn."""
    numeric = task.definition.numeric
    return _of_all_classes(task, model, model.predict(inputs) if numeric else model.predict_proba(inputs))


def staged(task: Task, model: Any, inputs: Any) -> Iterator[Tensor]:
    """The same after every round of boosting."""
    stages = model.staged_predict if task.definition.numeric else model.staged_predict_proba
    return (_of_all_classes(task, model, stage) for stage in stages(inputs))


def _of_all_classes(task: Task, model: Any, found: np.ndarray) -> Tensor:
    """Predictions of a model of scikit-learn as those of a kind: classes without a training row have the share 0."""
    values = torch.from_numpy(np.asarray(found)).float()
    if task.definition.numeric:
        return values
    shares = torch.zeros(len(values), len(task.classes))
    shares[:, torch.from_numpy(model.classes_).long()] = values
    return shares if task.definition.vector_output else shares[:, 1]


def linear_matrix(inputs: Any) -> tuple[Any, tuple[int, int, int]]:
    """The matrix that linear models read, and its numbers of columns: of numbers, hashed text and one-hot categories.

    Args:
        inputs: Of a table: see :func:`_width`.
    """
    leaves: Mapping[str, Any] = {"numeric": inputs} if isinstance(inputs, Tensor) else inputs
    width, _ = _width(inputs) or (0, 0)
    dense = sum(leaves[name].shape[1] for name in ("numeric", VECTORS) if name in leaves)
    text = leaves["text"].width if "text" in leaves else 0
    return _matrix(inputs, width), (dense, text, width - dense - text)


def is_matrix(inputs: Any) -> bool:
    """Whether linear models can read the inputs."""
    return _width(inputs) is not None


def _width(inputs: Any) -> tuple[int, float] | None:
    """Number of columns and filled cells per row of :func:`_matrix`; None if the inputs cannot be made one."""
    known = {"numeric", "categorical", "text", VECTORS}
    leaves = {"numeric": inputs} if isinstance(inputs, Tensor) else inputs
    if isinstance(leaves, Mapping):  # beside graphs there are counts of the same molecules
        leaves = {name: leaf for name, leaf in leaves.items() if name != GRAPHS}
    if not isinstance(leaves, Mapping) or not known.issuperset(leaves) or not leaves:
        return None
    width, entries = 0, 0.0
    for name, leaf in leaves.items():
        if isinstance(leaf, SparseRows):
            width, entries = width + leaf.width, entries + len(leaf.values) / max(1, len(leaf))
        elif not isinstance(leaf, Tensor) or leaf.ndim != 2:
            return None
        elif name == "categorical":
            width, entries = width + int(leaf.max()) + 1 if len(leaf) else width, entries + leaf.shape[1]
        else:
            width, entries = width + leaf.shape[1], entries + leaf.shape[1]
    return width, entries


def _matrix(inputs: Any, width: int) -> Any:
    """Rows of numbers, one-hot categories and hashed texts: an array of numbers alone, otherwise a sparse matrix."""
    from scipy import sparse

    if isinstance(inputs, Tensor):
        return inputs.numpy()
    pieces: list[Any] = [inputs[name].numpy() for name in ("numeric", VECTORS) if name in inputs]
    if "text" not in inputs and "categorical" not in inputs:
        return np.concatenate(pieces, 1)
    if "text" in inputs:
        pieces.append(inputs["text"].scipy())
    if "categorical" in inputs:
        codes = inputs["categorical"].numpy()
        left = width - sum(piece.shape[1] for piece in pieces)
        kept = np.minimum(codes, left)  # beyond the training rows' codes: one column that is cut
        starts = np.arange(0, codes.size + 1, codes.shape[1])
        one_hot = sparse.csr_matrix((np.ones(codes.size, np.float32), kept.ravel(), starts), (len(codes), left + 1))
        pieces.append(one_hot[:, :left])
    return sparse.hstack([sparse.csr_matrix(piece) for piece in pieces], format="csr")
