"""How much each candidate counts in the mean prediction: equally, unless held-out rows show that others are better."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from torch import Tensor

from ...task import Task
from ...uncertainty import Estimate, exceeds
from ..keep import skill_estimate

#: Probability that the shares move where none is better.
FALSE_MOVES = 0.05
#: Most moves away from equal shares.
MOST_MOVES = 12

#: By candidate, how often it counts.
Shares = dict[str, int]


def mixed(task: Task, outputs: Mapping[str, Tensor], shares: Mapping[str, int]) -> Tensor:
    """Outputs whose prediction is the mean prediction of candidates, each as often as its share states.

    Args:
        task: What they predict.
        outputs: ``[n]`` or ``[n, C]`` raw outputs by candidate.
        shares: How often each counts; those that are left out do not count.
    """
    return task.definition.average([outputs[name] for name, share in shares.items() for _ in range(share)])


def choose_shares(task: Task, outputs: Mapping[str, Tensor], targets: Tensor, ids: Tensor) -> Shares:
    """Equal shares of all candidates, moved as long as held-out rows show by more than chance that a move is better.

    A move lets one candidate count once more, or leaves one out: greedy selection with replacement that starts at the
    mean of all and has to earn every step.

    Args:
        task: What they predict.
        outputs: Raw outputs by candidate, for rows that they have not learned from.
        targets: ``[n]`` stored targets.
        ids: ``[n]`` which rows these are.

    Source:
        R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble Selection from Libraries of Models", ICML 2004,
        here from the mean of all instead of the best one, and with a test.

    Example:
        >>> import torch
        >>> task, targets = Task("price", kind="regression"), torch.linspace(-1, 1, 200)
        >>> noise = torch.randn(200, generator=torch.Generator().manual_seed(0))
        >>> choose_shares(task, {"good": targets + 0.1 * noise, "useless": noise}, targets, torch.arange(200))
        {'good': 1}
    """
    shares = dict.fromkeys(outputs, 1)
    now = _skill(task, outputs, shares, targets, ids)
    for _ in range(MOST_MOVES):
        tried = [(moved, _skill(task, outputs, moved, targets, ids) - now) for moved in _moves(shares)]
        tried = [(moved, gain) for moved, gain in tried if not math.isnan(gain.value)]
        if not tried:
            break
        best, gain = max(tried, key=lambda pair: pair[1].value)
        if not exceeds(gain, FALSE_MOVES, looks=len(tried)):
            break
        shares, now = best, now + gain
    return shares


def _skill(task: Task, outputs: Mapping[str, Tensor], shares: Shares, targets: Tensor, ids: Tensor) -> Estimate:
    return skill_estimate(task, mixed(task, outputs, shares), targets, ids)


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
