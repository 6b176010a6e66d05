"""Settings are drawn as in one go, whatever interrupted or extended the search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polytask.comparison.sampling import INTERRUPTED, ask, resume
from polytask.comparison.search import Outcome, history
from polytask.comparison.space import SearchRange, optuna

SPACE = {"x": SearchRange(low=0, high=1), "kind": SearchRange(choices=("a", "b"))}
DISTRIBUTIONS = {key: found.distribution() for key, found in SPACE.items()}


def opened(folder: Path, name: str) -> Any:
    """A study as another process would open it."""
    storage = f"sqlite:///{folder / f'{name}.db'}"
    return optuna().create_study(study_name="one", storage=storage, direction="maximize", load_if_exists=True)


def searched(study: Any, sampler: str, trials: int) -> None:
    for _ in range(trials):
        trial = ask(study, sampler, DISTRIBUTIONS)
        study.tell(trial, -((trial.params["x"] - 0.3) ** 2))


def settings_of(study: Any) -> list[dict[str, Any]]:
    return [trial.params for trial in study.get_trials() if trial.user_attrs.get("failure") != INTERRUPTED]


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_a_search_in_pieces_is_the_search_in_one_go(sampler: str, tmp_path: Path) -> None:
    whole = opened(tmp_path, "whole")
    searched(whole, sampler, 14)  # tpe models only what follows its first ten trials
    for piece in (3, 3, 5):
        searched(opened(tmp_path, "pieces"), sampler, piece)
    killed = opened(tmp_path, "pieces")
    ask(killed, sampler, DISTRIBUTIONS)
    pieces = opened(tmp_path, "pieces")
    resume(pieces, DISTRIBUTIONS)
    searched(pieces, sampler, 3)
    assert settings_of(pieces) == settings_of(whole)
    assert len({settings["x"] for settings in settings_of(whole)}) == 14


@pytest.mark.parametrize("fewer", [3, 6, 9])
def test_a_method_with_more_trials_begins_with_those_it_had(fewer: int) -> None:
    def drawn(trials: int) -> list[dict[str, Any]]:
        runs = history(lambda settings, seed, part: settings, SPACE, trials, [0])  # type: ignore[arg-type,return-value]
        asked, found = next(runs), []
        while len(found) < trials:
            found += asked
            values = [settings.get("x", 0.5) for settings in asked]
            tasks = [{"a": {"validation": x, "trivial": 0.0, "direction": "max"}} for x in values]
            asked = runs.send([Outcome(None, {"tasks": task}) for task in tasks])  # type: ignore[arg-type]
        return found

    assert drawn(12)[:fewer] == drawn(fewer)
