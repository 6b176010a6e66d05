"""Lines of a report: a method with one way to take its parameters, on all seeds. Validation has made the choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .experiment import Experiment
from .methods import METHODS, Method
from .rules import Record, end, mean, own, returned, series


@dataclass
class Row:
    """A method with one way to take its parameters, on all seeds.

    Attributes:
        values: Test metrics by task, per seed.
        validation: Mean over tasks and seeds on validation.
        one: All tasks are served by one checkpoint of one network.
        last_step: The parameters are those of the last evaluation, whatever they are worth.
    """

    name: str
    method: Method
    runs: list[Record]
    values: list[dict[str, float]]
    validation: float
    one: bool = True
    last_step: bool = False

    @property
    def scores(self) -> np.ndarray:
        """Mean over tasks, per seed."""
        return np.array([mean(values) for values in self.values])

    @property
    def baseline(self) -> bool:
        """One network without soft labels, at its best common checkpoint."""
        return self.method.plain and self.one and not self.last_step


def rows(experiment: Experiment) -> list[Row]:
    """All methods whose runs are complete."""
    found = []
    for method in METHODS.values():
        runs = experiment.complete(method)
        if not runs:
            continue

        def add(
            what: str,
            index: Callable[[Record], int],
            method: Method = method,
            runs: list[Record] = runs,
            last: bool = False,
        ) -> None:
            test, validation = (
                [series(run, method, part)[index(run)] for run in runs] for part in ("test", "validation")
            )
            level = float(np.mean([mean(values) for values in validation]))
            found.append(Row(f"{method.name}{what}", method, runs, test, level, last_step=last))

        if not method.single:
            add(", last step", lambda run, m=method: end(run, m, experiment.tasks) - 1, last=True)
            add(", common checkpoint" if method.plain else "", lambda run, m=method: returned(run, m, experiment.tasks))
        if method.plain:
            parts = [[_own_values(experiment, method, run, part) for run in runs] for part in ("test", "validation")]
            level = float(np.mean([mean(values) for values in parts[1]]))
            found.append(Row(f"{method.name}, one checkpoint per task", method, runs, parts[0], level, one=False))
    return found


def _own_values(experiment: Experiment, method: Method, run: Record, part: str) -> dict[str, float]:
    """Metric of every task at its own best evaluation."""
    values = series(run, method, part)
    return {name: values[index][name] for name, index in own(run, method, experiment.tasks).items()}
