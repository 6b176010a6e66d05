"""What becomes of the outputs of networks that are served: temperatures, then thresholds between two classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from torch import Tensor

from ..config.target import for_target
from ..models import MultiTaskModel
from ..records.folder import RunFolder
from ..task import Task
from .averaged import Outputs
from .calibration import Warmed, choose_temperature, describe_temperatures, save_temperatures
from .preparation.prepared import with_temperatures, with_thresholds
from .thresholds import Moved, choose_threshold, describe, save_thresholds
from .trainer import Trainer

Found = TypeVar("Found")
#: Raw outputs, targets and what the rows count as, see :meth:`~polytask.runs.averaged.Outputs.counted`.
Labelled = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Probabilities:
    """What validation has chosen, by task; the others keep a temperature of 1 and a threshold of 0.5."""

    warmed: Mapping[str, Warmed]
    moved: Mapping[str, Moved]

    @classmethod
    def decide(
        cls,
        trainer: Trainer,
        models: Sequence[MultiTaskModel],
        serves: Mapping[str, Sequence[int]],
        held: Mapping[str, Labelled] | None = None,
    ) -> Probabilities:
        """Choose them on the validation rows for what networks serve, and give them to the networks' tasks.

        Args:
            trainer: Has the rows.
            models: The networks.
            serves: By task the numbers of the networks whose mean prediction is served.
            held: Of networks that have learned from the validation rows, what others predict for them.
        """
        config = trainer.config

        def chosen(
            tasks: Sequence[Task], choose: Callable[[Task, Tensor, Tensor, Tensor], Found | None], asked: Any, fits: str
        ) -> dict[str, Found]:
            rows = Outputs(trainer.data.rows["validation"], tasks, dict(enumerate(models)))
            found = {
                task.name: choose(task, *(held[task.name] if held else rows.counted(task.name, serves[task.name])))
                for task in tasks
                if task.name in serves
                and getattr(task.definition, fits)
                and for_target(asked, task.name, "auto") == "auto"
            }
            return {name: one for name, one in found.items() if one is not None}

        warmed = chosen(trainer.data.tasks, choose_temperature, config.calibration, "calibrated")
        temperatures = {name: one.temperature for name, one in warmed.items()}
        for model in models:
            model.tasks = with_temperatures(model.tasks, temperatures)
        tasks = with_temperatures(trainer.data.tasks, temperatures)
        moved = chosen(tasks, _threshold, config.threshold, "thresholded")
        for model in models:
            model.tasks = with_thresholds(model.tasks, {name: one.threshold for name, one in moved.items()})
        return cls(warmed, moved)

    def applied(self, trainer: Trainer) -> Trainer:
        """The run whose tasks have them."""
        data = trainer.data.with_temperatures({name: found.temperature for name, found in self.warmed.items()})
        return replace(
            trainer, data=data.with_thresholds({name: found.threshold for name, found in self.moved.items()})
        )

    def say(self, trainer: Trainer) -> None:
        """Tell the user which were chosen, and why."""
        for line in [*describe_temperatures(self.warmed), *describe(self.moved, trainer.data.tasks)]:
            trainer.display.say(line)

    def save(self, run: RunFolder) -> None:
        """Write them to the run's folder."""
        save_temperatures(run, self.warmed)
        save_thresholds(run, self.moved)


def _threshold(task: Task, outputs: Tensor, targets: Tensor, ids: Tensor) -> Moved | None:
    return choose_threshold(task, task.definition.predict(outputs), targets, ids)
