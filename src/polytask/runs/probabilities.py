"""What becomes of the outputs of networks that are served: temperatures, then thresholds between two classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from ..models import MultiTaskModel
from ..records.folder import RunFolder
from .calibration import Warmed, decide_temperatures, describe_temperatures, save_temperatures
from .thresholds import Moved, decide_thresholds, describe, save_thresholds
from .trainer import Trainer


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
        held: Mapping[str, tuple[Tensor, Tensor, Tensor]] | None = None,
    ) -> Probabilities:
        """Choose them for what networks serve, and give them to the networks' tasks.

        Args:
            trainer: Has the rows.
            models: The networks.
            serves: By task the numbers of the networks whose mean prediction is served.
            held: Of networks that have learned from the validation rows, what others predict: see
                :meth:`~polytask.runs.averaged.Outputs.labelled`.
        """
        warmed = decide_temperatures(trainer, models, serves, held)
        return cls(warmed, decide_thresholds(cls(warmed, {}).applied(trainer), models, serves, held))

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
