"""A search leaves the settings that it began with only for a trial that is better beyond chance."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.comparison.chosen import choose, skills_of
from polytask.runs.keep import Skills, skill_estimate
from polytask.task import Task

PRICE = Task("price", kind="regression")


def skills(targets: Tensor, errors: Tensor) -> Skills:
    return {"price": skill_estimate(PRICE, targets + errors, targets, torch.arange(len(targets)))}


def draws(rows: int, trials: int, better: float, count: int) -> list[int | None]:
    """The trials that are chosen where predictions err by chance; those of trial 0 have errors smaller by a share."""
    draw = torch.Generator().manual_seed(0)
    found = []
    for _ in range(count):
        targets, common = torch.randn(2, rows, generator=draw)

        def tried(scale: float, targets: Tensor = targets, common: Tensor = common) -> Skills:
            return skills(targets, scale * (0.6 * common + 0.3 * torch.randn(rows, generator=draw)))

        base = tried(1.0)
        found.append(choose(base, {number: tried(1 - better * (number == 0)) for number in range(trials)}).trial)
    return found


def test_of_equal_settings_the_first_stay() -> None:
    found = draws(rows=150, trials=20, better=0.0, count=200)
    assert sum(trial is not None for trial in found) <= 6  # 1 % of 200, and chance


def test_a_better_trial_is_found() -> None:
    assert draws(rows=1000, trials=20, better=0.2, count=20) == [0] * 20


def test_the_highest_trial_is_named_with_its_gain_where_the_base_stays() -> None:
    targets = torch.randn(100, generator=torch.Generator().manual_seed(0))
    base, same, worse = (skills(targets, torch.full((100,), error)) for error in (0.5, 0.5, 0.9))
    choice = choose(base, {0: worse, 1: same})
    assert choice.trial is None and choice.highest == 1 and choice.gain.value == 0


def test_skills_of_a_record() -> None:
    useless = {"direction": "max", "validation": -9.0, "trivial": 0.0, "blocks": [0.5, -0.5], "counted": 50}
    error = {"direction": "min", "validation": 1.0, "trivial": 4.0, "blocks": [0.2, -0.1], "counted": 50}
    found = skills_of({"tasks": {"useless": useless, "error": error, "undefined": useless | {"validation": None}}})
    assert (found["useless"].value, found["useless"].error) == (-1.0, 0.0)
    assert found["error"].value == 0.75 and found["error"].blocks.tolist() == [-0.05, 0.025]
    assert found["undefined"].value != found["undefined"].value
    assert list(skills_of({"tasks": {"a": error, "b": error}}, ["b"])) == ["b"]
