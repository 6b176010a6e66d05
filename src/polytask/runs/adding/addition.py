"""What is learned on top of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..preparation.prepared import Prepared
from .base import Base


@dataclass(frozen=True)
class Addition:
    """Tasks for the networks of a finished run.

    Attributes:
        base: The run.
        data: The table, with the run's tasks first and then the new ones.
        new: Names of the tasks that the run has not.
        again: Names of the run's tasks that learn further from their labels in this table.
    """

    base: Base
    data: Prepared
    new: tuple[str, ...]
    again: tuple[str, ...]

    @classmethod
    def of(cls, base: Base, data: Prepared, targets: Sequence[str]) -> Addition:
        """What the ``targets`` of a table are to the run."""
        known = [task.name for task in base.bundle.schema.tasks]
        again = tuple(name for name in known if name in targets)
        return cls(base, data, tuple(name for name in targets if name not in known), again)

    @property
    def names(self) -> list[str]:
        """All tasks."""
        return [task.name for task in self.data.tasks]

    def learning(self, number: int, joins: Mapping[str, int]) -> list[str]:
        """The tasks that learn from labels in a network of the run: new ones that join it, and its own."""
        own = self.base.bundle.serves
        return [
            name for name in self.names if joins.get(name) == number or (name in self.again and number in own[name])
        ]

    def positions(self, names: Sequence[str]) -> list[int]:
        """Columns of some tasks."""
        return [self.names.index(name) for name in names]

    def outputs(self) -> dict[str, dict[str, Tensor]]:
        """Raw outputs of the finished run for validation and test rows, by part and task."""
        held = {part: rows for part, rows in self.data.rows.items() if part != "train"}
        return {part: self.base.bundle.outputs(rows.inputs, len(rows)) for part, rows in held.items()}
