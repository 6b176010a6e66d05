"""End a training at a moment, with the best of its evaluations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...processes.collectives import numbers_of_first
from ..callback import Callback

if TYPE_CHECKING:
    from ..evaluation import Evaluation
    from ..loop import Training


class Deadline(Callback):
    """Ends a training at the first evaluation after a moment; whether it is done before, others decide.

    Args:
        until: Seconds of the machine's monotonic clock (``time.monotonic``).
    """

    name = "deadline"
    only_limits = True

    def __init__(self, until: float) -> None:
        self.until, self._over = until, False

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        self._over = bool(numbers_of_first([time.monotonic() > self.until])[0])

    @property
    def finished(self) -> bool:
        return self._over
