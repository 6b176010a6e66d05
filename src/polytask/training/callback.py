"""What takes part in a training beside the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from ..balancing import TaskLosses
    from ..data import Batch
    from ..models import MultiTaskModel
    from .evaluation import Evaluation
    from .loop import Training


class ForwardPass(NamedTuple):
    """What the model has found in a batch.

    Attributes:
        features: What the heads read, see :class:`~polytask.models.Representation`.
        common: Where the shared part ends, see :class:`~polytask.models.Representation`.
        outputs: One tensor per group of tasks, see :class:`~polytask.models.LinearHeads`.
    """

    features: Tensor
    common: tuple[Tensor, ...] | None
    outputs: list[Tensor]


class Callback:
    """Takes part in a training at the points that the loop's drawing shows (:mod:`polytask.training.loop`).

    All methods may be left out. State that a resumed run needs goes through :meth:`state_dict`.
    """

    #: Name of its state in checkpoints.
    name = "callback"
    #: Whether it adds to ``training.gradients``; Gramians that the balancer computes are left out then.
    measures_gradients = False
    #: Names of the tasks to which it gives something to learn from, so that these need no labels.
    gives_labels: frozenset[str] = frozenset()

    #: Whether it takes gradients for parameters, or copies the network, so that shares of parameters will not do.
    whole_parameters = False

    #: Whether it may end a training early, but does not decide when it is done.
    only_limits = False

    #: Whether it ends the training when no task improves, so that ``most_steps`` are allowed until it does.
    ends_by_convergence = False

    @property
    def chooses_tasks(self) -> bool:
        """Whether it decides which tasks learn from their labels in a step."""
        return False

    @property
    def watches_layers(self) -> bool:
        """Whether it reads what single layers of the encoder find in a step."""
        return False

    def check(self, model: MultiTaskModel) -> None:
        """Raise a :class:`~polytask.UserError` if it cannot work on a model; called before anything is trained."""

    def start(self, training: Training) -> None:
        """Before the first step, and before the state of a resumed run is loaded."""

    def resume(self, training: Training) -> None:
        """After the state of a resumed run has been loaded."""

    def before_step(self, training: Training, batch: Batch) -> None:
        """Before the forward pass of every step."""

    def after_forward(
        self, training: Training, batch: Batch, common: tuple[Tensor, ...] | None, losses: TaskLosses
    ) -> None:
        """After the forward pass of every step.

        ``common`` (where the shared part ends; None if it ends nowhere) and ``losses`` hold the graph, which must stay
        usable.
        """

    def extra_loss(self, training: Training, passed: ForwardPass, batch: Batch) -> Tensor | None:
        """A scalar to add to the total that the balancer makes of the tasks' losses; None for nothing.

        With several processes scaled so that the mean of the gradients over processes is the one wanted.
        """
        return None

    def after_backward(self, training: Training, losses: TaskLosses) -> None:
        """Once all gradients are there (times ``training.gradient_scale``) and before the optimiser's step."""

    def after_training(self, training: Training) -> None:
        """After the last step: drop what only training needs."""

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        """After the validation metrics are known and before the checkpoint to return is chosen."""

    @property
    def total_steps(self) -> int:
        """Most steps that the training needs for it, after :meth:`start`; 0 for those of the settings."""
        return 0

    @property
    def finished(self) -> bool:
        """True ends the training after this evaluation."""
        return False

    @property
    def checkpoint_rank(self) -> int:
        """Parameters of a higher rank are preferred when the checkpoint to return is chosen."""
        return 0

    def needed_snapshots(self) -> set[int]:
        """Steps whose snapshots must be kept."""
        return set()

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, strings, lists and dictionaries."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
