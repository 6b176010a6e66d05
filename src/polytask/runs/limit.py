"""When the trainings of a run with a time limit end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

#: A training may take this many times what was planned for it before it ends with its best evaluation.
PATIENCE = 1.5
#: Share of the limit that is left for what follows the last training.
AFTER = 0.05


@dataclass(frozen=True)
class Limit:
    """When trainings of a run with a time limit end, with the best of their evaluations.

    Attributes:
        until: Seconds of the machine's monotonic clock, which its processes share and nobody sets; from then on none
            continues.
        longest: Seconds of a training for all tasks, and of one for a single task.
    """

    until: float
    longest: tuple[float, float]

    @classmethod
    def of(cls, left: float, planned: Sequence[float]) -> Limit:
        """Of a run that has ``left`` seconds, and trainings planned to take this many; see :attr:`longest`."""
        together, alone = (PATIENCE * seconds for seconds in planned)
        return cls(time.monotonic() + (1 - AFTER) * left, (together, alone))

    def ends(self, tasks: int) -> float:
        """Seconds of the monotonic clock at which a training that begins now has to end."""
        return min(self.until, time.monotonic() + self.longest[int(tasks == 1)])

    @property
    def passed(self) -> bool:
        """Whether no training may begin any more."""
        return time.monotonic() > self.until
