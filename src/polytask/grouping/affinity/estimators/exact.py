"""TAG as published: take the step on each task, look, go back."""

from __future__ import annotations

from ....errors import UserError, did_you_mean
from ..lookahead import affinity_of_losses, lookahead_losses
from ..virtual_step import LOOKAHEADS, virtual_step
from .estimator import Estimator, Moment, Sample


class Lookahead(Estimator):
    """Exact: K backward passes through the shared part and K + 1 forward passes per sample.

    Args:
        lookahead: The step that is taken: ``sgd``, ``momentum`` or ``optimizer``, see
            :func:`~polytask.grouping.affinity.virtual_step.virtual_step`.

    Source:
        C. Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021,
        arXiv:2109.04617, Eq. 1.
    """

    name = "lookahead"
    gives_gramian = False

    def __init__(self, lookahead: str = "sgd") -> None:
        if lookahead not in LOOKAHEADS:
            raise UserError(f"affinity: lookahead {lookahead!r} is not known; {did_you_mean(lookahead, LOOKAHEADS)}")
        self.lookahead = lookahead

    def every(self, tasks: int) -> int:
        return 10

    def before_forward(self, moment: Moment) -> Sample:
        shared = moment.model.shared_parameters()
        step = virtual_step(self.lookahead, moment.optimizer, shared)
        before, after = lookahead_losses(moment.model, moment.forward, shared, step)
        return Sample(affinity_of_losses(before.means, after), before.present)
