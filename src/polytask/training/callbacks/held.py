"""Tasks that a network has learned before, held by what it predicted for them then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from ...distillation import SoftLabels, check_soft_labels
from ...errors import did_you_mean, raise_all
from ..callback import Callback

if TYPE_CHECKING:
    from ..loop import Training


class HeldTasks(Callback):
    """Some tasks learn from given outputs on every row, from the first step; they need no labels.

    The last stage of sequential convergence, taken out of one training: tasks that have converged are held by their
    soft labels while others learn. Give it before callbacks that watch tasks converge; these leave held ones alone.

    Args:
        outputs: By task name, ``[n]`` or ``[n, C]``: the earlier network's raw outputs for the n training rows.
        levels: The earlier network's metric on validation, for those that have labels there: the peak that the
            checkpoint to return is to keep.
        temperature: Softens the outputs of class kinds.
        kd_weight: Factor of their losses.
        soft_loss: Distance to the outputs, see :class:`~polytask.SoftLabels`.

    Raises:
        UserError: A temperature or weight out of range.

    Source:
        Lu et al., NAACL 2022 Industry Track, sequential setting; for a network that is given, Z. Li, D. Hoiem,
        "Learning without Forgetting", ECCV 2016, arXiv:1606.09282, which distils the old tasks in the same way.

    Example:
        >>> import torch, polytask as pt
        >>> x = torch.randn(64, 4)
        >>> model = pt.MultiTaskModel(torch.nn.Linear(4, 8), [pt.Task("old"), pt.Task("new")])
        >>> held = HeldTasks({"old": model(x)["old"].detach()})
        >>> labels = {"new": (x[:, 0] > 0).float()}
        >>> result = pt.fit(model, train=(x, labels), validation=(x, labels), callbacks=[held],
        ...                 settings=pt.TrainingSettings(steps=20))
        >>> result.tasks["old"].converged_epoch
        0.0
    """

    name = "held_tasks"

    def __init__(
        self,
        outputs: Mapping[str, Tensor],
        levels: Mapping[str, float] | None = None,
        *,
        temperature: float = 1.0,
        kd_weight: float = 1.0,
        soft_loss: str = "own",
    ) -> None:
        raise_all([f"held tasks: {problem}" for problem in check_soft_labels(temperature, kd_weight)])
        self.outputs, self.levels = dict(outputs), dict(levels or {})
        self.temperature, self.kd_weight, self.soft_loss = temperature, kd_weight, soft_loss
        self.gives_labels = frozenset(self.outputs)
        #: For the results: they had converged when the training began.
        self.converged_at = dict.fromkeys(self.outputs, 0)

    def start(self, training: Training) -> None:
        positions = {task.name: position for position, task in enumerate(training.tasks)}
        rows = len(training.train)
        raise_all([
            f"held tasks: {name!r} is not a task; {did_you_mean(name, positions)}"
            for name in self.outputs
            if name not in positions
        ])  # fmt: skip
        raise_all([
            f"held tasks: {name!r} needs outputs for the {rows} training rows, found {len(outputs)}"
            for name, outputs in self.outputs.items()
            if len(outputs) != rows
        ])  # fmt: skip
        for name, outputs in self.outputs.items():
            labels = SoftLabels(
                outputs.to(training.device),
                self.temperature,
                self.kd_weight,
                unlabelled=True,
                soft_loss=self.soft_loss,
            )
            training.objective.use_soft_labels(positions[name], labels)
            level = self.levels.get(name, math.nan)
            if not math.isnan(level):
                training.returned.peaks[name] = (level, 0)
