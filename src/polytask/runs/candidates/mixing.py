"""How much each candidate counts in the mean prediction: equally, unless held-out rows show that others are better."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from ...task import Task
from ...uncertainty import exceeds
from ..keep import Skills, mean_difference, skill_estimate

#: Probability that the shares move where none is better.
FALSE_MOVES = 0.05
#: Most moves away from equal shares.
MOST_MOVES = 12

#: By candidate, how often it counts.
Shares = dict[str, int]


@dataclass(frozen=True)
class Judged:
    """What candidates predict for rows of one task that they have not learned from.

    Attributes:
        task: What they predict.
        outputs: ``[n]`` or ``[n, C]`` raw outputs by candidate.
        targets: ``[n]`` stored targets.
        ids: ``[n]`` which rows these are.
    """

    task: Task
    outputs: Mapping[str, Tensor]
    targets: Tensor
    ids: Tensor

    def among(self, shares: Shares) -> Shares:
        """The shares of the candidates that there are for the task; equal ones if those have none."""
        own = {name: share for name, share in shares.items() if name in self.outputs}
        return own or dict.fromkeys(self.outputs, 1)


def mixed(task: Task, outputs: Mapping[str, Tensor], shares: Mapping[str, int]) -> Tensor:
    """Outputs whose prediction is the mean prediction of candidates, each as often as its share states.

    Args:
        task: What they predict.
        outputs: ``[n]`` or ``[n, C]`` raw outputs by candidate.
        shares: How often each counts; those that are left out do not count.
    """
    return task.definition.average([outputs[name] for name, share in shares.items() for _ in range(share)])


def choose_shares(judged: Mapping[str, Judged]) -> dict[str, Shares]:
    """Equal shares of all candidates, moved as long as held-out rows show by more than chance that a move is better.

    A move lets one candidate count once more, or leaves one out: greedy selection with replacement that starts at the
    mean of all and has to earn every step. First all tasks move together, judged by their mean skill, in which a
    difference shows that is within the error of every single task; then each task moves alone.

    Args:
        judged: By task name.

    Source:
        R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble Selection from Libraries of Models", ICML 2004,
        here from the mean of all instead of the best one, and with a test.

    Example:
        >>> import torch
        >>> task, targets = Task("price", kind="regression"), torch.linspace(-1, 1, 200)
        >>> noise = torch.randn(200, generator=torch.Generator().manual_seed(0))
        >>> outputs = {"good": targets + 0.1 * noise, "useless": noise}
        >>> choose_shares({"price": Judged(task, outputs, targets, torch.arange(200))})
        {'price': {'good': 1}}
    """
    together = _moved({name: 1 for one in judged.values() for name in one.outputs}, judged)
    return {name: _moved(one.among(together), {name: one}) for name, one in judged.items()}


def _moved(shares: Shares, judged: Mapping[str, Judged]) -> Shares:
    """The shares after all moves that are better beyond chance in the mean over the tasks."""
    now = _skills(shares, judged)
    for _ in range(MOST_MOVES):
        tried = [(moved, _skills(moved, judged)) for moved in _moves(shares)]
        gains = [mean_difference(now, skills) for _, skills in tried]
        best = max(range(len(tried)), key=lambda move: gains[move].value, default=None)
        if best is None or not exceeds(gains[best], FALSE_MOVES, looks=len(tried)):
            break
        shares, now = tried[best]
    return shares


def _skills(shares: Shares, judged: Mapping[str, Judged]) -> Skills:
    return {
        name: skill_estimate(one.task, mixed(one.task, one.outputs, one.among(shares)), one.targets, one.ids)
        for name, one in judged.items()
    }


def _moves(shares: Shares) -> Iterator[Shares]:
    for name in shares:
        if len(shares) > 1:
            yield {other: share for other, share in shares.items() if other != name}
            yield shares | {name: shares[name] + 1}


def repeats(shares: Mapping[str, int], models: Mapping[str, int]) -> Shares:
    """How often each single model of a candidate counts, in the smallest whole numbers.

    Args:
        shares: Of the candidates.
        models: Number of models of each, whose mean is its prediction.

    Example:
        >>> repeats({"networks": 1, "forest": 2}, {"networks": 5, "forest": 1})
        {'networks': 1, 'forest': 10}
    """
    common = math.lcm(*(models[name] for name in shares))
    counts = {name: share * common // models[name] for name, share in shares.items()}
    divisor = math.gcd(*counts.values())
    return {name: count // divisor for name, count in counts.items()}
