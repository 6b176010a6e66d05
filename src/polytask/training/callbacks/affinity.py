"""Measure inter-task affinity while training continues as if nothing happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor
from torch.optim import Optimizer

from ...balancing import TaskLosses
from ...balancing.step_graph import StepGraph
from ...config.affinity import AffinityOptions
from ...errors import UserError
from ...grouping.affinity import (
    AffinityStatistics,
    Estimator,
    Moment,
    Sample,
    make_estimators,
)
from ...grouping.affinity_matrix import Affinity
from ...grouping.confidence import check_confidence, measured_enough
from ...processes.collectives import numbers_of_first
from ..callback import Callback

if TYPE_CHECKING:
    from ...config.training import TrainingSettings
    from ...data import Batch
    from ...models import MultiTaskModel
    from ..evaluation import Evaluation
    from ..loop import Training

#: Samples are to grow by this factor between two verdicts, so that all verdicts together cost little.
GROWTH = 1.25


class AffinityProbe(Callback):
    """TAG: what would a step on each task alone do to the losses of all?

    A probe leaves parameters, buffers, optimiser and random state bit-identical.

    Args:
        every: Steps between probes. Default: the estimator's own.
        enough: With ``stop="confident"``: whether an affinity is measured well enough for the choice to be made from
            it. It must depend on nothing else.
        options: Others of :class:`~polytask.config.AffinityOptions`.

    Raises:
        UserError: All unusable values at once.

    Source:
        C. Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021,
        arXiv:2109.04617.
    """

    name = "affinity"
    whole_parameters = True

    def __init__(
        self, every: int | None = None, *, enough: Callable[[Affinity], bool] = measured_enough, **options: Any
    ) -> None:
        asked = AffinityOptions(every=every, **options)
        self._candidates = make_estimators(asked.estimator, asked.of_estimator())
        self.measures_gradients = any(candidate.gives_gramian for candidate in self._candidates)
        self.every, self.first, self.end = every, asked.start, asked.stop if isinstance(asked.stop, int) else None
        self.until_confident, self.enough = asked.stop == "confident", enough
        self.judged = 0  # samples at the last verdict
        self.estimator = self._candidates[0]
        self.chosen = False
        self.statistics = AffinityStatistics(0)

    def check(self, model: MultiTaskModel) -> None:
        if self.until_confident:
            check_confidence(len(model.tasks))
        if not model.shared_parameters():
            raise UserError(
                "affinity: every shared parameter is frozen, so an update on one task does not change the "
                "others; train a part of the encoder, or choose networks without affinity (networks: 1)"
            )

    def start(self, training: Training) -> None:
        self.statistics = AffinityStatistics(len(training.tasks))

    def before_step(self, training: Training, batch: Batch) -> None:
        if self._due(training.step, len(training.tasks)):
            if not training.model.shared_parameters():
                raise UserError(
                    "affinity: all shared parameters are frozen, so tasks do not influence each other; freeze less"
                )
            moment = self.moment(training, batch)
            if not self.chosen:
                self.estimator, self.chosen = self.fitting(moment), True
                if not self._due(training.step, len(training.tasks)):
                    return
            self._add(training, self.estimator.before_forward(moment))

    def after_forward(
        self, training: Training, batch: Batch, common: tuple[Tensor, ...] | None, losses: TaskLosses
    ) -> None:
        if self.chosen and self._due(training.step, len(training.tasks)):
            if self.estimator.of_parameters:
                StepGraph(losses.values, None, common).check(training.model.shared_parameters())
            self._add(training, self.estimator.after_forward(self.moment(training, batch), common, losses))

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        samples = self.statistics.samples
        if not self.until_confident or self.end is not None or not samples or samples < GROWTH * self.judged:
            return
        self.judged = samples
        affinity = affinity_from_state(self.state_dict(), [task.name for task in training.tasks])
        if numbers_of_first([self.enough(affinity)])[0]:
            self.end = training.step
            training.write("affinity_stop", samples=samples)

    def _due(self, step: int, tasks: int) -> bool:
        every = self.every or self.estimator.every(tasks)
        since = step - self.first
        return since >= 0 and since % every == 0 and (self.end is None or step < self.end)

    def check_step(self, model: MultiTaskModel, optimizer: Optimizer, inputs: Any, settings: TrainingSettings) -> None:
        """Raise if no estimator can measure the step of a training, which is not taken for it."""
        self.fitting(Moment(model, optimizer, inputs, _not_taken, 0, _plain(settings)))

    def fitting(self, moment: Moment) -> Estimator:
        """The first candidate that can measure a training; asked at its first sampled step, or before it begins.

        Raises:
            UserError: If none can, with the reason of each.
        """
        reasons = []
        for candidate in self._candidates:
            reason = candidate.misfit(moment)
            if reason is None:
                return candidate
            reasons.append(f"affinity: estimator {candidate.name} does not fit: {reason}; choose another or auto")
        raise UserError(*reasons)

    @staticmethod
    def moment(training: Training, batch: Batch) -> Moment:
        """What estimators see of a step."""

        def forward() -> TaskLosses:
            features = training.represent(batch.inputs).features
            return training.objective(training.model.heads(features), batch)

        plain = _plain(training.settings)
        return Moment(training.model, training.optimizer, batch.inputs, forward, training.step, plain)

    def _add(self, training: Training, sample: Sample | None) -> None:
        if sample is None:
            return
        if sample.gramian is not None:
            training.gradients.add(sample.gramian, sample.present)
        self.statistics.add(sample.affinity, sample.present, training.step)

    def settings(self) -> dict[str, Any]:
        """What was measured, and how, for ``affinity.json``."""
        return {
            "estimator": self.estimator.name,
            **self.estimator.settings(),
            "every": self.every or self.estimator.every(self.statistics.tasks),
            "start": self.first,
            "stop": "confident" if self.until_confident and self.end is None else self.end,
        }

    def state_dict(self) -> dict[str, Any]:
        return {
            "statistics": self.statistics.state_dict(),
            "settings": self.settings(),
            "chosen": self.chosen,
            "end": self.end,
            "judged": self.judged,
            "estimator": self.estimator.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.statistics.load_state_dict(state["statistics"])
        self.chosen, self.end, self.judged = state["chosen"], state["end"], state["judged"]
        self.estimator = next(c for c in self._candidates if c.name == state["settings"]["estimator"])
        self.estimator.load_state_dict(state["estimator"])


def _plain(settings: TrainingSettings) -> bool:
    """Whether the forward pass of a step calls every layer of the encoder once, as it is."""
    return settings.accumulate == 1 and not settings.compile


def _not_taken() -> TaskLosses:
    raise RuntimeError("the step is only looked at")


def affinity_from_state(state: dict[str, Any], tasks: list[str]) -> Affinity:
    """The matrix that a finished training's :class:`AffinityProbe` has gathered."""
    statistics = AffinityStatistics(len(tasks))
    statistics.load_state_dict(state["statistics"])
    meta = {
        "method": "tag",
        **state["settings"],
        "samples": statistics.samples,
        "counts": statistics.counts.tolist(),
        "standard_error": _with_nulls(statistics.standard_error),
        "windows": statistics.windows.to_json_dict(),
    }
    return Affinity(tuple(tasks), statistics.mean, meta)


def _with_nulls(matrix: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(x) else x for x in row] for row in matrix.tolist()]
