"""Which trial of a search replaces the settings that it began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..runs.keep import Skills, mean_difference, surely_better
from ..task.gain import perfect
from ..uncertainty import Estimate
from .search import skill


@dataclass(frozen=True)
class Choice:
    """What a search for a higher skill has found.

    Attributes:
        trial: The trial that is better than the base beyond chance, of several the best; None if there is none.
        highest: The trial with the highest mean skill.
        gain: How much better it is than the base, with the paired standard error.
    """

    trial: int | None
    highest: int
    gain: Estimate


def choose(base: Skills, trials: Mapping[int, Skills]) -> Choice:
    """Compare trials with the settings that the search began with, on the same validation rows.

    The highest of many noisy scores is high by chance, too: where no trial is better, one is taken with a probability
    of 1 % at most, however many there are.

    Args:
        base: Skills by task.
        trials: Skills of every trial by its number; at least one.

    Example:
        >>> from dataclasses import replace
        >>> low, high = ({"a": replace(Estimate.exact(skill), counted=100)} for skill in (0.5, 0.6))
        >>> choose(low, {0: low, 1: high}).trial, choose(high, {0: low, 1: high}).trial
        (1, None)
    """
    gains = {number: mean_difference(base, found) for number, found in trials.items()}
    highest = max(gains, key=lambda number: gains[number].value)
    sure = surely_better(base, {str(number): found for number, found in trials.items()})
    return Choice(None if sure is None else int(sure), highest, gains[highest])


def skills_of(record: Mapping[str, Any], tasks: Sequence[str] = ()) -> Skills:
    """Skills on validation of a trial, at least -1, with their sampling errors.

    Args:
        record: See :func:`~polytask.comparison.execute.execute`.
        tasks: Which tasks; all by default.

    Example:
        >>> entry = {"direction": "max", "validation": 0.9, "trivial": 0.5, "blocks": [0.01, -0.01], "counted": 99}
        >>> found = skills_of({"tasks": {"a": entry}})["a"]
        >>> round(found.value, 3), round(found.error, 3)
        (0.8, 0.04)
    """
    return {name: _skill(record["tasks"][name]) for name in tasks or record["tasks"]}


def _skill(entry: Mapping[str, Any]) -> Estimate:
    value = skill(entry)
    if value is None:
        return Estimate.exact(float("nan"))
    distance = perfect(entry["direction"]) - entry["trivial"]
    bounded = value == -1.0 or not distance
    blocks = torch.tensor(entry["blocks"], dtype=torch.float64) * (0.0 if bounded else 1 / distance)
    return Estimate(value, blocks, entry["counted"])
