"""What kinds of runs differ in: from scratch, or with tasks for the networks of a finished one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..balancing import Balancer
from ..config import Config
from ..display.display import Display
from ..records.folder import RunFolder
from .outcome import RunOutcome
from .plan import Planned
from .preparation.prepared import Prepared
from .trainer import Trainer


class Variant(ABC):
    """The phases of a run that are not the same for all; :func:`polytask.runs.fit_run` goes through them in order."""

    def adapted(self, config: Config) -> Config:
        """The configuration with what this kind of run decides."""
        return config

    @abstractmethod
    def prepare(self, config: Config, run: RunFolder | None) -> Prepared:
        """The data, split as in the run if it is continued; see :func:`polytask.runs.preparation.prepare.prepare`.

        Raises:
            UserError: If the data are not usable, or the run began as another kind of run.
        """

    @abstractmethod
    def check(self, config: Config, data: Prepared, balancer: Balancer) -> None:
        """Make everything that trainings are made of, so that what does not fit is found before the work.

        Raises:
            UserError: It states what does not fit.
        """

    def plan(self, config: Config, data: Prepared, display: Display, run: RunFolder | None, spent: float) -> Planned:
        """How long the trainings take, if known; see :func:`polytask.runs.plan.plan_run`."""
        return Planned()

    def files(self) -> dict[str, Any]:
        """What the folder of a new run holds besides, by the names of JSON files."""
        return {}

    @abstractmethod
    def train(self, trainer: Trainer) -> RunOutcome:
        """All trainings, or what is left of them, and the choice of what is served."""
