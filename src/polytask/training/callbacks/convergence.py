"""Every task converges on its own schedule and keeps its peak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .converging import Converging

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..loop import Training


@dataclass(eq=False)
class AsynchronousConvergence(Converging):
    """Joint asynchronous convergence by distillation from converged tasks.

    All tasks train from the start. When the validation metric of one has not improved for ``patience`` evaluations, its
    labels are replaced by the predictions of its own best parameters on its training rows; current parameters and
    optimiser go on. Training ends ``tail`` evaluations after the last task has converged. Settings: see
    :class:`~polytask.training.callbacks.converging.Converging`.

    A task whose metric has not left its trivial level by 2 % of the way to perfect does not converge (it would be held
    where it has learned nothing); it does not hold up the end once it has stalled for ``4 * patience``.

    Source:
        W. Lu et al., "Asynchronous Convergence in Multi-Task Learning via Knowledge Distillation from Converged Tasks",
        NAACL 2022 Industry Track, pp. 149-159, joint setting. The test of convergence, the averaged teachers, the floor
        and the tail are our choices; what is public of the paper leaves them open.

    Example:
        >>> AsynchronousConvergence(patience=3, teachers=1).patience
        3
    """

    name = "asynchronous_convergence"

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        self.refresh(training, evaluation)
        newly = self.observe(training, evaluation, [name for name in self.monitors if name not in self.converged_at])
        if newly:
            self.switch(training, newly)
        if self.settled:
            self._since_settled += 1
