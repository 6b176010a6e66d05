"""Which of the trained networks a run serves: decided on validation rows, by paired differences with their errors.

Pure functions of the skills of trained networks; :mod:`polytask.runs.served` gathers these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from ..task import Task
from ..uncertainty import Estimate, estimate, exceeds, mean_of, skill_of
from ..uncertainty.decide import LEAST_COUNTED

#: Probability that a task, or a run, leaves its network for one that is no better.
FALSE_MOVES = 0.01
#: Skill by task name, in one network or plan.
Skills = Mapping[str, Estimate]


def skill_estimate(task: Task, outputs: Tensor, targets: Tensor, ids: Tensor) -> Estimate:
    """Skill of raw outputs on validation rows, at least -1, with its sampling error; NaN where undefined.

    It is bounded below: of networks that are worse than useless for a task, none shall decide for all others.

    Args:
        task: What is predicted.
        outputs: ``[n]`` or ``[n, C]`` raw outputs of the rows with a label.
        targets: ``[n]`` their stored targets.
        ids: ``[n]`` which rows these are; estimates are paired by them.

    Example:
        >>> import torch
        >>> task, targets = Task("price", kind="regression"), torch.arange(50.0)
        >>> round(skill_estimate(task, targets + 1, targets, torch.arange(50)).value, 2)
        1.0
    """
    metric = task.metric_definition
    predictions, targets, _ = task.measured(outputs, targets, metric)
    found = estimate(metric, predictions, targets, ids)
    trivial = metric.trivial(targets) if len(targets) else math.nan
    if math.isnan(found.value) or math.isnan(trivial):
        return replace(Estimate.exact(math.nan), counted=0)
    skill = skill_of(metric, found, Estimate.exact(trivial))
    return skill if skill.value >= -1 else replace(Estimate.exact(-1.0), counted=found.counted)


def mean_difference(ours: Skills, theirs: Skills) -> Estimate:
    """How much better ``theirs`` is in the mean over the tasks, with the paired error.

    Tasks that rest on too few rows (of a class), or are undefined, are left out; what the error rests on follows from
    the tasks' shares of it (Welch and Satterthwaite).

    Example:
        >>> a = {"x": Estimate.exact(0.5), "y": Estimate.exact(0.5)}
        >>> mean_difference(a, {"x": Estimate.exact(0.75), "y": Estimate.exact(0.25)}).value
        0.0
    """
    gains = [theirs[name] - ours[name] for name in ours]
    gains = [gain for gain in gains if not math.isnan(gain.value) and gain.counted >= LEAST_COUNTED]
    if not gains:
        return replace(Estimate.exact(0.0), counted=0)
    variances = [gain.error**2 for gain in gains]
    shares = sum(variance**2 / (gain.counted - 1) for variance, gain in zip(variances, gains, strict=True))
    freedom = sum(variances) ** 2 / shares if shares else 10**9
    return replace(mean_of(gains), counted=int(min(freedom + 1, 10**9)))


def near_best(plans: Mapping[str, Skills]) -> list[str]:
    """The plans among which validation cannot tell the better one: within one paired standard error of the best mean.

    Of plans that predict the same only the first is listed.

    Args:
        plans: Skills by plan, those to be preferred first.

    Example:
        >>> same, worse = ({"a": replace(Estimate.exact(skill), counted=100)} for skill in (0.5, 0.4))
        >>> near_best({"one": same, "plain": same, "single": worse})
        ['one']
    """
    first = next(iter(plans))
    best = max(plans, key=lambda plan: mean_difference(plans[first], plans[plan]).value)
    behind = {plan: mean_difference(skills, plans[best]) for plan, skills in plans.items()}
    near = [plan for plan, gap in behind.items() if gap.value <= gap.error]
    return [plan for place, plan in enumerate(near) if not any(_equal(plans[plan], plans[p]) for p in near[:place])]


def best_plan(plans: Mapping[str, Skills], networks: Mapping[str, int]) -> str:
    """The plan with the fewest networks among those of :func:`near_best`.

    Args:
        plans: Skills by plan, those to be preferred first.
        networks: Number of networks of each.

    Example:
        >>> one, two = ({"a": Estimate.exact(skill)} for skill in (0.5, 0.6))
        >>> best_plan({"one": one, "two": two}, {"one": 1, "two": 2})
        'two'
        >>> best_plan({"one": one, "two": one}, {"one": 1, "two": 2})
        'one'
    """
    return min(near_best(plans), key=lambda plan: networks[plan])


def _equal(ours: Skills, theirs: Skills) -> bool:
    """Whether skills rest on the same predictions: no row contributes another amount."""
    gaps = [theirs[name] - ours[name] for name in ours]
    return all(math.isnan(gap.value) or (gap.value == 0 and not gap.blocks.any()) for gap in gaps)


def surely_better(asked: Estimate | Skills, others: Mapping[str, Estimate] | Mapping[str, Skills]) -> str | None:
    """The best of the ``others`` that are better beyond chance; None if there is none.

    Where nothing is better, one is found with a probability of :data:`FALSE_MOVES` at most, however many there are.

    Args:
        asked: Skill in what serves now; or skills by task.
        others: The same for what could serve instead.

    Example:
        >>> now, other = (replace(Estimate.exact(skill), counted=100) for skill in (0.5, 0.6))
        >>> surely_better(now, {"single_task.a": other}), surely_better(other, {"network_0": now})
        ('single_task.a', None)
        >>> print(surely_better(now, {"few rows": replace(other, counted=3)}))
        None
    """
    gains = {name: _gain(asked, other) for name, other in others.items()}
    sure = [name for name, gain in gains.items() if exceeds(gain, FALSE_MOVES, looks=len(gains))]
    return max(sure, key=lambda name: gains[name].value, default=None)


def _gain(ours: Estimate | Skills, theirs: Estimate | Skills) -> Estimate:
    if isinstance(ours, Estimate) or isinstance(theirs, Estimate):
        assert isinstance(ours, Estimate) and isinstance(theirs, Estimate)
        return theirs - ours
    return mean_difference(ours, theirs)
