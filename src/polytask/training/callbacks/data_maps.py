"""Data maps: how sure a training is of each sample's true class, and how much that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...data import Rows
from ...errors import UserError
from ..callback import Callback
from ..evaluation import task_outputs

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..loop import Training

#: Most samples that are followed, and fewest that make a map.
MOST, LEAST = 1000, 10


class DataMaps(Callback):
    """Follows the probability of the true class of training samples over the evaluations (Welford's sums).

    Only rows with a label of every task are followed, so that tasks can be compared; binary and multiclass tasks.

    Source:
        S. Swayamdipta et al., "Dataset Cartography", EMNLP 2020, arXiv:2009.10795; as features of tasks: A. Sherif et
        al., 2023, arXiv:2307.03374.
    """

    name = "data_maps"

    def __init__(self) -> None:
        self.count = 0
        self.mean, self.squares = torch.zeros(2, 0, 0, dtype=torch.float64)

    def start(self, training: Training) -> None:
        """Choose the samples.

        Raises:
            UserError: a task of another kind, or too few rows with labels of all tasks.
        """
        other = [task.name for task in training.tasks if not task.definition.logits]
        if other:
            raise UserError(f"data maps are for classification; {other[0]!r} is of another kind")
        rows = training.train
        full = torch.arange(len(rows)) if rows.observed is None else rows.observed.all(1).nonzero()[:, 0].cpu()
        if len(full) < LEAST:
            raise UserError(f"data maps need rows with labels of all tasks, at least {LEAST}, found {len(full)}")
        self.rows: Rows = rows.subset(full[torch.linspace(0, len(full) - 1, min(MOST, len(full))).long()])
        self.mean, self.squares = torch.zeros(2, len(training.tasks), len(self.rows), dtype=torch.float64)

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        outputs = task_outputs(training.evaluated, self.rows, range(len(training.tasks)))
        found = torch.stack([true_class_probability(o, self.rows.targets[:, k]) for k, o in enumerate(outputs)])
        found = found.double().cpu()
        self.count += 1
        change = found - self.mean
        self.mean = self.mean + change / self.count
        self.squares = self.squares + change * (found - self.mean)

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "mean": self.mean, "squares": self.squares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count, self.mean, self.squares = state["count"], state["mean"], state["squares"]


def true_class_probability(outputs: Tensor, labels: Tensor) -> Tensor:
    """``[n]`` probability of the true class.

    Args:
        outputs: ``[n]`` logits of the positive class, or ``[n, C]`` logits.
        labels: ``[n]`` numbers of the classes.

    Example:
        >>> true_class_probability(torch.tensor([0.0, 50.0]), torch.tensor([1.0, 0.0])).tolist()
        [0.5, 0.0]
    """
    if outputs.ndim == 1:
        return torch.where(labels > 0, outputs.sigmoid(), 1 - outputs.sigmoid())
    return outputs.softmax(1).gather(1, labels.long()[:, None])[:, 0]


def maps_from_state(state: dict[str, Any]) -> np.ndarray:
    """``[K, 2 n]`` mean and standard deviation of every sample, from the state of a finished :class:`DataMaps`."""
    deviation = (state["squares"] / max(state["count"], 1)).clamp_min(0).sqrt()
    return torch.cat([state["mean"], deviation], 1).numpy()
