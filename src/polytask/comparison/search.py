"""The schedule of one method: rounds of trials on validation, then the chosen settings on all seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..task import gain
from .execute import RunSpec
from .space import SearchRange, optuna

#: Trials that are drawn together. The sampler learns between rounds and never within one, so that a search is the same
#: however many of its runs continue side by side.
ROUND = 4


@dataclass(frozen=True)
class Outcome:
    """What became of a run: a record, or what went wrong.

    Attributes:
        spec: The run.
        record: See :func:`~polytask.comparison.execute.execute`; None if it failed.
        failure: What went wrong, in a line.
    """

    spec: RunSpec
    record: dict[str, Any] | None
    failure: str | None = None


@dataclass(frozen=True)
class History:
    """What became of a method.

    Attributes:
        trials: Drawn settings with the outcome and the score of each.
        chosen: The settings with the best score.
        finals: Outcome by seed.
    """

    trials: list[tuple[dict[str, Any], Outcome, float | None]] = field(default_factory=list)
    chosen: dict[str, Any] = field(default_factory=dict)
    finals: dict[int, Outcome] = field(default_factory=dict)


#: ``make(drawn settings, seed, part)``: the run of one method.
MakeRun = Callable[[Mapping[str, Any], int, str], RunSpec]
Runs = Generator[list[RunSpec], list[Outcome], History]


def history(make: MakeRun, space: Mapping[str, SearchRange], trials: int, seeds: Sequence[int]) -> Runs:
    """Yield runs to do together, take their outcomes, and end with what became of the method.

    The first trial is the given configuration itself. Trials are run with the first seed and scored by
    :func:`score`; they never see the test split.

    Args:
        make: Makes a run from drawn settings.
        space: What is searched.
        trials: Number of trials; 1 for no search.
        seeds: Seeds of the final runs.
    """
    result = History()
    chosen: dict[str, Any] = {}
    if trials > 1 and space:
        study = _study()
        distributions = {key: found.distribution() for key, found in space.items()}
        while len(result.trials) < trials:
            asked = [None] if not result.trials else []  # the given settings come first
            asked += [study.ask(distributions) for _ in range(min(ROUND, trials - len(result.trials)) - len(asked))]
            drawn: list[dict[str, Any]] = [{} if trial is None else dict(trial.params) for trial in asked]
            outcomes = yield [make(settings, seeds[0], "validation") for settings in drawn]
            for trial, settings, outcome in zip(asked, drawn, outcomes, strict=True):
                value = None if outcome.record is None else score(outcome.record)
                result.trials.append((settings, outcome, value))
                if trial is not None:
                    _tell(study, trial, value)
        known = [(value, settings) for settings, _, value in result.trials if value is not None]
        chosen = max(known, key=lambda pair: pair[0])[1] if known else {}
    result.chosen.update(chosen)
    outcomes = yield [make(chosen, seed, "test") for seed in seeds]
    result.finals.update(zip(seeds, outcomes, strict=True))
    return result


def score(record: Mapping[str, Any]) -> float | None:
    """Mean skill of the tasks on validation; None if a metric is undefined.

    Skill is 0 for a constant prediction and 1 for a perfect one, and bounded below by -1: of settings that are worse
    than useless for a task, none shall decide for all others.

    Example:
        >>> task = {"direction": "max", "validation": 0.9, "trivial": 0.5}
        >>> round(score({"tasks": {"a": task}}), 3)
        0.8
    """
    found = [skill(task) for task in record["tasks"].values()]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if len(known) == len(found) else None


def skill(task: Mapping[str, Any], part: str = "validation") -> float | None:
    """Skill of one task's entry in a record, at least -1; None if undefined."""
    value, trivial = task[part], task["trivial"]
    if value is None or trivial is None:
        return None
    return gain.skill(value, trivial, task["direction"], least=-1.0)


def _study() -> Any:
    library = optuna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", library.exceptions.ExperimentalWarning)
        # Within a round unfinished trials count as bad ones, so that a round does not draw the same four times.
        sampler = library.samplers.TPESampler(seed=0, constant_liar=True, n_startup_trials=ROUND)
    return library.create_study(direction="maximize", sampler=sampler)


def _tell(study: Any, trial: Any, value: float | None) -> None:
    if value is None:
        study.tell(trial, state=optuna().trial.TrialState.FAIL)
    else:
        study.tell(trial, value)
