"""Every task converges on its own schedule and keeps its peak."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import UserError, did_you_mean
from .converging import Converging

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..loop import Training

RETURNED = ("mean", "last", "last_task")


@dataclass(eq=False)
class AsynchronousConvergence(Converging):
    """Joint asynchronous convergence by distillation from converged tasks.

    All tasks train from the start. When the validation metric of one has not improved for ``patience`` evaluations, its
    labels are replaced by the predictions of its own best parameters on its training rows; current parameters and
    optimiser go on. A held task that overtakes its teacher by more than chance learns from its labels again. Training
    ends ``tail`` evaluations after the last task has converged.

    A task that has not learned (:class:`~polytask.ConvergenceMonitor`) does not converge: it would be held where it
    knows nothing. It is given three quarters of the budget to begin.

    Args:
        restore: After a switch go back to the best parameters of the task that has converged, with a fresh optimiser
            (of several tasks, to those of the latest best evaluation). It discards progress of the others.
        returned: The parameters to return, once at most one task still learns from its own labels: those with the best
            ``mean`` share of the peaks; of the ``last`` evaluation; or of the best evaluation of the ``last_task``. An
            earlier evaluation that is better by more than chance is returned instead.

    Further options: see :class:`~polytask.distillation.ConvergenceOptions`.

    Source:
        W. Lu et al., "Asynchronous Convergence in Multi-Task Learning via Knowledge Distillation from Converged Tasks",
        NAACL 2022 Industry Track, pp. 149-159, joint setting. The test of convergence, the averaged teachers, the floor
        and the tail are our choices; what is public of the paper leaves them open.

    Example:
        >>> AsynchronousConvergence(patience=3, teachers=1).patience
        3
    """

    name = "asynchronous_convergence"
    restore: bool = False
    returned: str = "mean"
    _step: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.returned not in RETURNED:
            raise UserError(
                f"convergence: returned {self.returned!r} is not known; {did_you_mean(self.returned, RETURNED)}"
            )

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        self._step = evaluation.step
        newly = self.observe(training, evaluation, self.state.learning)
        self.take_back(training)
        if newly:
            self.switch(training, newly)
            if self.restore:
                training.restore(max(self.monitors[name].best_step for name in newly))
        self._since_settled = self._since_settled + 1 if self.state.settled(training.progress) else 0

    @property
    def checkpoint_rank(self) -> int:
        rank = super().checkpoint_rank
        if not rank or self.returned == "mean":
            return rank
        newest_is_best = any(self.monitors[name].best_step == self._step for name in self.state.learning)
        return self._step if self.returned == "last" or newest_is_best else 0
