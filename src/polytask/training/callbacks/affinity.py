"""Measure inter-task affinity while training goes on as if nothing happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ...errors import UserError
from ...grouping.affinity import AffinityStatistics, affinity_of_losses, lookahead_losses
from ...grouping.affinity_matrix import Affinity
from .callback import Callback

if TYPE_CHECKING:
    from ...data import Batch
    from ..loop import Training


class AffinityProbe(Callback):
    """TAG: at every ``every``-th step, what would a step on each task alone do to the losses of all?

    A probe costs K backward passes through the shared part and K + 1 forward passes, and leaves parameters, buffers,
    optimiser and random state bit-identical. It runs in float32 whatever the precision of training: values are small.

    Args:
        every: Steps between probes.

    Source:
        C. Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021,
        arXiv:2109.04617, Eq. 1; lookahead by plain gradient descent with the training's learning rate.
    """

    name = "affinity"

    def __init__(self, every: int = 10) -> None:
        if every < 1:
            raise UserError(f"affinity: every must be at least 1, found {every}")
        self.every = every
        self.statistics = AffinityStatistics(0)

    def start(self, training: Training) -> None:
        self.statistics = AffinityStatistics(len(training.tasks))

    def before_step(self, training: Training, batch: Batch) -> None:
        if training.step % self.every:
            return
        group = training.optimizer.param_groups[0]
        present = None

        def losses() -> tuple[Tensor, Tensor]:
            nonlocal present
            result = training.objective(training.model.grouped(batch.inputs), batch)
            present = result.present
            return result.values, result.means

        before, after = lookahead_losses(
            training.model, losses, training.model.shared_parameters(), group["lr"], group["weight_decay"]
        )
        assert present is not None
        self.statistics.add(affinity_of_losses(before, after), present, training.step)

    def state_dict(self) -> dict[str, Any]:
        return self.statistics.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.statistics.load_state_dict(state)


def affinity_from_state(state: dict[str, Any], tasks: list[str], every: int) -> Affinity:
    """The matrix that a finished training's :class:`AffinityProbe` has gathered."""
    statistics = AffinityStatistics(len(tasks))
    statistics.load_state_dict(state)
    error = statistics.standard_error
    meta = {
        "method": "tag",
        "lookahead": "sgd",
        "every": every,
        "samples": statistics.samples,
        "counts": statistics.counts.tolist(),
        "standard_error": [[None if np.isnan(x) else x for x in row] for row in error.tolist()],
        "windows": statistics.windows.to_json_dict(),
    }
    return Affinity(tuple(tasks), statistics.mean, meta)
