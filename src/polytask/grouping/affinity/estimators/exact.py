"""TAG as published: take the step on each task, look, go back."""

from __future__ import annotations

from ..lookahead import affinity_of_losses, lookahead_losses
from ..virtual_step import virtual_step
from .estimator import Estimator, Moment, Sample


class Lookahead(Estimator):
    """Exact: K backward passes through the shared part and K + 1 forward passes per sample.

    The step is that of plain gradient descent, whatever the training's optimiser.

    Source:
        C. Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021,
        arXiv:2109.04617, Eq. 1.
    """

    name = "lookahead"
    gives_gramian = False

    def every(self, tasks: int) -> int:
        return 10

    def before_forward(self, moment: Moment) -> Sample:
        shared = moment.model.shared_parameters()
        step = virtual_step(moment.optimizer, shared)
        before, after = lookahead_losses(moment.model, moment.forward, shared, step)
        return Sample(affinity_of_losses(before.means, after), before.present)
