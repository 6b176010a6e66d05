"""What is not finite is noticed at every evaluation, and a training goes back once before it gives up."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..errors import DivergedError
from ..processes.collectives import numbers_of_first, own_share, sum_over_processes
from .trees import TreeCopy

if TYPE_CHECKING:
    from .loop import Training

#: Factor of the learning rate after a training has diverged.
SLOWER = 0.5
#: A loss that is at every evaluation this many times that of predicting 0 has diverged, too.
HOPELESS = 1e6


def all_finite(*modules: nn.Module) -> bool:
    """Whether all parameters and buffers of some modules are finite, on all processes; one number leaves the device.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> all_finite(layer)
        True
        >>> _ = layer.weight.data.fill_(float("inf"))
        >>> all_finite(layer)
        False
    """
    shares = (own_share(tensor.detach()) for module in modules for tensor in (*module.parameters(), *module.buffers()))
    tensors = [share for share in shares if share.is_floating_point() and share.numel()]
    # On a CPU a twentieth of the time of isfinite or of the largest norm of each.
    ends = [end for tensor in tensors for end in tensor.aminmax()]
    widest = reduce(torch.promote_types, {end.dtype for end in ends}) if ends else torch.float32
    lost = ~torch.stack([end.to(ends[0].device, widest) for end in ends]).isfinite().all() if ends else torch.zeros(())
    return bool(sum_over_processes(lost.float()) == 0)


def what_diverged(training: Training) -> str:
    """What of a training is not finite since the last evaluation, in words; empty if all is.

    With half precision a loss may overflow: the gradient scaler leaves that step out.
    """
    lost = (~torch.isfinite(training.sums.values[0])).tolist()
    names = [task.name for task, gone in zip(training.tasks, lost, strict=True) if gone]
    if names and training.settings.precision != "16":
        return f"the loss of {', '.join(names)}"
    models = {id(model): model for model in (training.model, training.evaluated)}
    return "" if all_finite(*models.values()) else "a parameter"


def what_is_undefined(training: Training, metrics: Mapping[str, float]) -> str:
    """Which metrics are not finite though a constant prediction has one, in words; empty for none."""
    names = [
        name for name, value in metrics.items() if not math.isfinite(value) and math.isfinite(training.trivial[name])
    ]
    return f"the validation metric of {', '.join(names)}" if names else ""


def check_bounded(training: Training) -> None:
    """End a training whose losses are finite and beyond all bounds, as a far too high learning rate makes them.

    Raises:
        DivergedError: If the loss of a task was at every evaluation :data:`HOPELESS` times that of predicting 0.
    """
    lowest = {
        place: min((e.losses[task.name] for e in training.history if e.losses[task.name] > 0), default=0.0)
        for place, task in enumerate(training.tasks)
    }
    least = [lowest[place] > HOPELESS and lowest[place] > HOPELESS * _size(training, place) for place in lowest]
    names = [task.name for task, gone in zip(training.tasks, numbers_of_first(least), strict=True) if gone]
    if names:
        what = f"the loss of {', '.join(names)}"
        training.write("diverged", what=what, ended=True)
        raise DivergedError(
            f"{training.name} diverged: {what} was at every evaluation more than {HOPELESS:,.0f} times that of "
            f"predicting 0; {_remedy(training)}"
        )


def _size(training: Training, place: int) -> float:
    """About the loss of predicting 0: the mean square of the labels, 1 for classes."""
    task, rows = training.tasks[place], training.train.only_tasks([place])
    known = rows.targets if rows.observed is None else rows.targets[rows.observed]
    squares = 1.0 if task.classes else float(known.double().square().nanmean())
    return max(1.0, squares) * max(1.0, sum(weight for _, weight in task.losses))


def _remedy(training: Training) -> str:
    return (
        f"lower learning_rate (it is {training.settings.learning_rate:g}), set gradient_clip=1 or warmup=100, or look "
        "for extreme values among targets and features"
    )


class Recovery:
    """The state of a training at its last evaluation (or start), to which it goes back once when it diverges.

    A copy in the memory of the CPU, made at every evaluation; it is in those checkpoints that are made between
    evaluations, so that a resumed training goes back to the same. A sharded network has none and gives up at once.
    """

    def __init__(self) -> None:
        self.step = -1
        self.factor = 1.0
        self._good: TreeCopy | None = None

    def note(self, training: Training, state: dict[str, Any]) -> None:
        """All is well with ``state``, which is of this step."""
        if self.factor == 1.0 and not training.sharded:
            self.step = training.step
            kept = {key: value for key, value in state.items() if key not in ("history", "log")}
            self._good = TreeCopy(kept, self._good)

    def state_dict(self, step: int) -> dict[str, Any]:
        """For a checkpoint of a step."""
        good = None if self._good is None or step == self.step else self._good.tree()
        return {"factor": self.factor, "step": self.step, "good": good}

    def load_state_dict(self, training: Training, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.factor, self.step = state["factor"], state["step"]
        self._good = None if state["good"] is None else TreeCopy(state["good"])
        if self.factor != 1.0:
            training.parts.slow_down(training.optimizer, self.factor)

    def go_back(self, training: Training, what: str) -> dict[str, Any]:
        """The state to continue from, after it has been said why.

        Raises:
            DivergedError: If the training has been there before.
        """
        step, rate = training.step, training.settings.learning_rate
        if self._good is None:
            training.write("diverged", what=what, ended=True)
            again = f", also with {SLOWER:g} times the learning rate" if self.factor != 1.0 else ""
            raise DivergedError(
                f"{training.name} diverged: {what} is not finite at step {step}{again}; {_remedy(training)}"
            )
        slower = SLOWER * rate
        training.write("diverged", what=what, ended=False, back_to=self.step, learning_rate=slower)
        warnings.warn(
            f"{training.name} diverged: {what} is not finite at step {step}; it continues from step {self.step} with "
            f"half its learning rate ({slower:g})",
            stacklevel=2,
        )
        self.factor, good, self._good = SLOWER, self._good.tree(), None
        return good
