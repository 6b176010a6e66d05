"""What a run serves: the best of everything that it has trained, in total and for each task."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ..config import Config
from ..display.text import some_names
from ..display.titles import title_of
from ..grouping.strategies import GROUPINGS
from ..training import TrainingResult
from ..uncertainty import Estimate
from .averaged import Outputs
from .choice import record_kept, serving
from .keep import Skills, best_plan, near_best, skill_estimate, surely_better
from .trainer import Trainer
from .trainings import Network

#: How plans are called, those to be preferred first: one network for all with the run's settings, a plain one, the
#: networks that were asked for or chosen, single-task models.
TITLES = {
    "all_in_one": "one network for all",
    "plain": "one plain network for all",
    "grouped": "{} networks",
    "single_task": "single-task models",
    "average": "the mean prediction",
}
#: By task name the trainings whose mean prediction it has.
Serving = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Trained:
    """A network with what its training gave."""

    network: Network
    result: TrainingResult


def choose_served(
    trainer: Trainer,
    asked: Sequence[Trained],
    alternative: Sequence[Trained],
    joint: TrainingResult | None,
    singles: Mapping[int, TrainingResult],
) -> list[Trained]:
    """The networks to serve, by what is better on validation.

    The plan is decided first. Where validation cannot tell the better one, the mean prediction of the plans that could
    be is served, unless it is worse. Then each task moves to another trained network if that is better beyond chance.

    Args:
        trainer: The run.
        asked: The networks that were asked for, or chosen.
        alternative: One for all with the run's settings, where ``auto`` has chosen several.
        joint: The plain network for all.
        singles: Single-task models by position; a plan if they are those of all tasks.
    """
    plans = candidate_plans(trainer, asked, alternative, joint, singles)
    if len(plans) < 2 or not len(trainer.data.rows["validation"]):
        return list(asked)
    every = {one.network.training: one for plan in plans.values() for one in plan}
    models = {training: one.result.model for training, one in every.items()}
    outputs = Outputs(trainer.data.rows["validation"], trainer.data.tasks, models)
    candidates = {name: _serving(plan) for name, plan in plans.items()}
    by_plan = {name: _skills(outputs, plan) for name, plan in candidates.items()}
    automatic = trainer.config.networks == "auto" and GROUPINGS[trainer.config.grouping].chooses
    if automatic:
        order = [name for name in TITLES if name in plans]
        kept = best_plan({name: by_plan[name] for name in order}, {name: len(plan) for name, plan in plans.items()})
    else:
        first, *others = by_plan
        kept = surely_better(by_plan[first], {name: by_plan[name] for name in others}) or first
    averaged = _average(trainer, candidates, by_plan, kept, len(asked))
    if averaged:
        candidates["average"] = mean_of([candidates[name] for name in averaged])
        by_plan["average"] = _skills(outputs, candidates["average"])
        kept = surely_better(by_plan["average"], {kept: by_plan[kept]}) or "average"
    moved = _moves(trainer.config, candidates[kept], outputs)
    served = candidates[kept] | {task: (training,) for task, training in moved.items()}
    networks = serving([one.network for one in every.values()], served)
    means = {name: _mean(found.values()) for name, found in by_plan.items()}
    chosen = [every[network.training].result for network in networks]
    sentence = _sentence(kept, None if automatic else next(iter(plans)), means, len(asked), averaged, moved)
    sentence += _cost(chosen) if kept == "average" else ""
    trainer.display.say(sentence)
    compared = {"skill_on_validation": {name: mean for name, mean in means.items() if math.isfinite(mean)},
                "kept": kept, "averaged": averaged if kept == "average" else [], "moved": moved,
                "sentence": sentence}  # fmt: skip
    record_kept(trainer, networks, compared, [one.network for one in asked])
    return [Trained(network, result) for network, result in zip(networks, chosen, strict=True)]


def _serving(plan: Sequence[Trained]) -> Serving:
    return {task: (one.network.training,) for one in plan for task in one.network.serves}


def mean_of(plans: Sequence[Serving]) -> Serving:
    """The mean of several plans: every task is served by its networks in all of them."""
    return {task: tuple(dict.fromkeys(training for plan in plans for training in plan[task])) for task in plans[0]}


def _average(
    trainer: Trainer, plans: Mapping[str, Serving], skills: Mapping[str, Skills], kept: str, asked: int
) -> list[str]:
    """The plans whose mean prediction is a candidate; none where one is the best, or it needs too many networks."""
    near = near_best({name: skills[name] for name in TITLES if name in plans})
    networks = {training for name in near for trainings in plans[name].values() for training in trainings}
    most = _most_networks(trainer.config, asked)
    return near if kept in near and len(near) > 1 and (most is None or len(networks) <= most) else []


def _most_networks(config: Config, asked: int) -> int | None:
    """Most networks that may serve a task or run together; None for any number."""
    if config.networks == "auto" and GROUPINGS[config.grouping].chooses:
        return config.max_cost
    return max(asked, config.networks) if isinstance(config.networks, int) else asked


def candidate_plans(
    trainer: Trainer,
    asked: Sequence[Trained],
    alternative: Sequence[Trained],
    joint: TrainingResult | None,
    singles: Mapping[int, TrainingResult],
) -> dict[str, list[Trained]]:
    """Everything that was trained, as networks that serve all tasks; first what was asked for."""
    names = tuple(task.name for task in trainer.data.tasks)
    plans = {"all_in_one" if len(asked) == 1 else "grouped": list(asked)}
    others = {"all_in_one": list(alternative)}
    if joint is not None:
        others["plain"] = [Trained(Network("all_in_one", tuple(range(len(names))), names), joint)]
    if len(singles) == len(names):
        others["single_task"] = [
            Trained(Network(f"single_task_{k}", (k,), (names[k],)), result) for k, result in singles.items()
        ]
    return plans | {name: plan for name, plan in others.items() if plan and _fits(trainer.config, plan)}


def _fits(config: Config, plan: Sequence[Trained]) -> bool:
    """Whether networks are such as the user allows."""
    held = [set(one.result.tasks) for one in plan]
    serves = [set(one.network.serves) for one in plan]
    apart = any(len(tasks & set(group)) > 1 for tasks in held for group in config.apart)
    together = all(any(set(group) <= tasks for tasks in serves) for group in config.together)
    large = config.max_size is not None and any(len(tasks) > config.max_size for tasks in held)
    return together and not (apart or large)


def _skills(outputs: Outputs, plan: Serving) -> dict[str, Estimate]:
    """Skill of every task as a plan serves it."""
    return {
        task: skill_estimate(outputs.tasks[task], *outputs.counted(task, trainings)) for task, trainings in plan.items()
    }


def _moves(config: Config, served: Serving, outputs: Outputs) -> dict[str, str]:
    """The tasks that another network serves beyond chance better, with its training; ``together`` holds them."""
    held = {task for group in config.together for task in group}
    found = {}
    for task, now in served.items():
        others = [name for name, model in outputs.models.items() if task in {one.name for one in model.tasks}]
        skills = {name: _skills(outputs, {task: (name,)})[task] for name in others if (name,) != now}
        if task not in held:
            found[task] = surely_better(_skills(outputs, {task: now})[task], skills)
    return {task: training for task, training in found.items() if training is not None}


def _mean(skills: Iterable[Estimate]) -> float:
    known = [skill.value for skill in skills if not math.isnan(skill.value)]
    return fmean(known) if known else math.nan


def _sentence(
    kept: str,
    asked: str | None,
    means: Mapping[str, float],
    count: int,
    averaged: Sequence[str],
    moved: Mapping[str, str],
) -> str:
    """What is served and why; ``asked`` is what the user has asked for."""

    def shown(plan: str) -> str:
        return f"{TITLES[plan].format(count)} ({means[plan]:.4f})"

    others = ", ".join(shown(plan) for plan in means if plan not in (kept, *(averaged if kept == "average" else ())))
    why = f"; not served: {others}" if others else ""
    if kept == "average":
        why = f" of {', '.join(map(shown, averaged))}, which validation cannot distinguish{why}"
    elif asked is not None and kept != asked:
        why = f", better beyond chance than the requested {TITLES[asked].format(count)}{why}"
    by: dict[str, list[str]] = {}
    for task, training in moved.items():
        by.setdefault(title_of(training), []).append(task)
    tasks = "; ".join(f"{some_names(names)} by {title}" for title, names in by.items())
    also = f"; served by another training, which is better beyond chance: {tasks}" if moved else ""
    return f"served (mean skill on validation in parentheses): {shown(kept)}{why}{also}"


def _cost(networks: Sequence[TrainingResult]) -> str:
    """What predictions cost that several networks make together."""
    parameters = sum(p.numel() for result in networks for p in result.model.parameters())
    return f"; a prediction runs {len(networks)} networks with {parameters:,} parameters (--networks 1: one network)"
