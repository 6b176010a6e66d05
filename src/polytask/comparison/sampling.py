"""Which settings a search tries next: a function of the trials that there are, however often it was interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .space import optuna

#: What a trial failed of that was running when its search was killed; it is done again.
INTERRUPTED = "interrupted"


def sampler(name: str, number: int) -> Any:
    """A sampler of Optuna's whose random state is a function of the number of trials before.

    A sampler that keeps its state in memory begins again in every process: a search that is continued would draw the
    settings of its first trials again.

    Args:
        name: tpe, random or nsga2.
        number: trials before.
    """
    samplers = optuna().samplers
    kinds = {"tpe": samplers.TPESampler, "random": samplers.RandomSampler, "nsga2": samplers.NSGAIISampler}
    return kinds[name](seed=int(np.random.SeedSequence([0, number]).generate_state(1)[0]))


def ask(study: Any, name: str, distributions: Mapping[str, Any]) -> Any:
    """The next trial, drawn by the sampler of that name; one that was interrupted comes first.

    Example:
        >>> from polytask.comparison.space import SearchRange
        >>> study = optuna().create_study()
        >>> space = {"x": SearchRange(low=0, high=1).distribution()}
        >>> drawn = [ask(study, "random", space).params["x"] for _ in range(3)]
        >>> len(set(drawn))
        3
    """
    study.sampler = sampler(name, len(ended(study)))
    return study.ask(distributions)


def resume(study: Any, distributions: Mapping[str, Any]) -> None:
    """Let the trials that were running when their search was killed be done again, with the same settings.

    One that was killed while its settings were drawn has only some of them; the next draw gives them all again.
    """
    library = optuna()
    for trial in study.get_trials(states=(library.trial.TrialState.RUNNING,)):
        library.trial.Trial(study, trial._trial_id).set_user_attr("failure", INTERRUPTED)
        study.tell(trial.number, state=library.trial.TrialState.FAIL)
        settings = trial.system_attrs.get("fixed_params", trial.params)
        if settings.keys() == distributions.keys():
            study.enqueue_trial(settings)


def ended(study: Any) -> list[Any]:
    """The trials in the order of their numbers, without those that were interrupted and done again."""
    waiting = optuna().trial.TrialState.WAITING
    return [one for one in study.get_trials(deepcopy=False) if one.state != waiting and not _was_interrupted(one)]


def _was_interrupted(trial: Any) -> bool:
    return trial.user_attrs.get("failure") == INTERRUPTED
