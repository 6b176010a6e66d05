"""Every task's best network, beside the one that is good for all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..callback import Callback

if TYPE_CHECKING:
    from ...models import MultiTaskModel
    from ..evaluation import Evaluation
    from ..loop import Training


class BestOfEach(Callback):
    """Keeps the parameters of each task's best evaluation.

    Attributes:
        best: ``{task: (validation metric, step)}``.
        networks: After training ``{task: network}`` with these parameters. A training that was finished before and is
            only read again has none.

    Example:
        >>> import torch, polytask as pt
        >>> x = torch.randn(64, 3)
        >>> tasks, labels = [pt.Task("a"), pt.Task("b")], {"a": (x[:, 0] > 0).float(), "b": (x[:, 1] > 0).float()}
        >>> model, best = pt.MultiTaskModel(torch.nn.Linear(3, 4), tasks), pt.BestOfEach()
        >>> settings = pt.TrainingSettings(steps=6, evaluate_every=2)
        >>> _ = pt.fit(model, train=(x, labels), validation=(x, labels), settings=settings, callbacks=[best])
        >>> list(best.networks)
        ['a', 'b']
    """

    name = "best_of_each"

    def __init__(self) -> None:
        self.best: dict[str, tuple[float, int]] = {}
        self.networks: dict[str, MultiTaskModel] = {}

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        for task in training.tasks:
            value, sign = evaluation.validation[task.name], task.metric_definition.sign
            if not math.isnan(value) and (task.name not in self.best or sign * (value - self.best[task.name][0]) > 0):
                self.best[task.name] = (value, evaluation.step)
                training.keep_snapshot()

    def needed_snapshots(self) -> set[int]:
        return {step for _, step in self.best.values()}

    def after_training(self, training: Training) -> None:
        self.networks = {name: training.network_at(step).eval() for name, (_, step) in self.best.items()}

    def state_dict(self) -> dict[str, Any]:
        return {name: list(best) for name, best in self.best.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = {name: (value, step) for name, (value, step) in state.items()}
