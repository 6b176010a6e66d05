"""Every task converges on its own schedule and keeps its peak."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...config.convergence import JointOptions
from .converging import Converging

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..loop import Training


@dataclass(eq=False)
class AsynchronousConvergence(JointOptions, Converging):
    """Joint asynchronous convergence by distillation from converged tasks.

    All tasks train from the start. When the validation metric of one has not improved for ``patience`` evaluations, its
    labels are replaced by the predictions of its own best parameters on its training rows; current parameters and
    optimiser continue. A held task that overtakes its teacher by more than chance learns from its labels again.
    Training ends ``tail`` evaluations after the last task has converged.

    A task that has not learned (:class:`~polytask.ConvergenceMonitor`) does not converge: it would be held where it
    knows nothing. It is given three quarters of the budget to begin.

    Options: those of the sections `convergence` and `joint`, see
    :class:`~polytask.config.ConvergenceOptions` and :class:`~polytask.config.JointOptions`.

    Source:
        W. Lu et al., "Asynchronous Convergence in Multi-Task Learning via Knowledge Distillation from Converged Tasks",
        NAACL 2022 Industry Track, pp. 149-159, joint setting. The test of convergence, the floor and the tail are our
        choices; what is public of the paper leaves them open.

    Example:
        >>> AsynchronousConvergence(patience=3).patience
        3
    """

    name = "asynchronous_convergence"
    ends_by_convergence = True
    _step: int = field(default=0, init=False, repr=False)

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        self._step = evaluation.step
        newly = self.observe(training, evaluation, self.state.learning)
        self.take_back(training)
        if newly:
            self.switch(training, newly)
            if self.restore:
                training.restore(max(self.monitors[name].kept_step for name in newly))
        self._since_settled = self._since_settled + 1 if self.state.settled(training.progress) else 0

    @property
    def checkpoint_rank(self) -> int:
        rank = super().checkpoint_rank
        if not rank or self.returned == "mean":
            return rank
        newest_is_best = any(self.monitors[name].best_step == self._step for name in self.state.learning)
        return self._step if self.returned == "last" or newest_is_best else 0
