"""What a run serves: the best of everything that it has trained, in total and for each task."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ..config import Config
from ..grouping.baselines import GROUPINGS
from ..training import TrainingResult
from ..training.evaluation import task_outputs, task_targets
from ..uncertainty import Estimate
from .choice import record_kept, serving
from .keep import best_plan, skill_estimate, surely_better
from .trainer import Trainer
from .trainings import Network

#: How plans are called, those to be preferred first: one network for all with the run's settings, a plain one, the
#: networks that were asked for or chosen, single-task models.
TITLES = {
    "all_in_one": "one network for all",
    "plain": "one plain network for all",
    "grouped": "{} networks",
    "single_task": "single-task models",
}


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
    singles: Sequence[TrainingResult],
) -> list[Trained]:
    """The networks to serve, by what is better on validation.

    The plan is decided first, then each task moves to another trained network if that is better beyond chance.

    Args:
        trainer: The run.
        asked: The networks that were asked for, or chosen.
        alternative: One for all with the run's settings, where ``auto`` has chosen several.
        joint: The plain network for all.
        singles: Single-task models.
    """
    plans = _plans(trainer, asked, alternative, joint, singles)
    if len(plans) < 2 or not len(trainer.data.rows["validation"]):
        return list(asked)
    every = {one.network.training: one for plan in plans.values() for one in plan}
    skills = {training: _skills(trainer, one) for training, one in every.items()}
    by_plan = {name: {task: skills[one.network.training][task] for one in plan for task in one.network.serves}
               for name, plan in plans.items()}  # fmt: skip
    first = next(iter(plans))
    automatic = trainer.config.networks == "auto" and GROUPINGS[trainer.config.grouping].chooses
    if automatic:
        order = [name for name in TITLES if name in plans]
        kept = best_plan({name: by_plan[name] for name in order}, {name: len(plan) for name, plan in plans.items()})
    else:
        others = {name: found for name, found in by_plan.items() if name != first}
        kept = surely_better(by_plan[first], others) or first
    served = {task: one.network.training for one in plans[kept] for task in one.network.serves}
    moved = _moves(trainer.config, served, skills)
    means = {name: _mean(found.values()) for name, found in by_plan.items()}
    sentence = _sentence(kept, None if automatic else first, means, len(asked), moved)
    trainer.display.say(sentence)
    networks = serving([one.network for one in every.values()], served | moved)
    compared = {"skill_on_validation": {name: mean for name, mean in means.items() if math.isfinite(mean)},
                "kept": kept, "moved": moved, "sentence": sentence}  # fmt: skip
    record_kept(trainer, networks, compared, [one.network for one in asked])
    return [Trained(network, every[network.training].result) for network in networks]


def _plans(
    trainer: Trainer,
    asked: Sequence[Trained],
    alternative: Sequence[Trained],
    joint: TrainingResult | None,
    singles: Sequence[TrainingResult],
) -> dict[str, list[Trained]]:
    """Everything that was trained, as networks that serve all tasks; first what was asked for."""
    names = tuple(task.name for task in trainer.data.tasks)
    plans = {"all_in_one" if len(asked) == 1 else "grouped": list(asked)}
    others = {"all_in_one": list(alternative)}
    if joint is not None:
        others["plain"] = [Trained(Network("all_in_one", tuple(range(len(names))), names), joint)]
    if singles:
        others["single_task"] = [
            Trained(Network(f"single_task_{k}", (k,), (name,)), result)
            for k, (name, result) in enumerate(zip(names, singles, strict=True))
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


def _skills(trainer: Trainer, one: Trained) -> dict[str, Estimate]:
    """Skill of every task of a network on the validation rows."""
    rows, names = trainer.data.rows["validation"], [task.name for task in trainer.data.tasks]
    found = {}
    for place, task in enumerate(one.result.model.tasks):
        ids, targets = task_targets(rows, names.index(task.name))
        outputs = task_outputs(one.result.model, rows, [place])[0].cpu()[ids.cpu()]
        found[task.name] = skill_estimate(task, outputs, targets.cpu(), ids)
    return found


def _moves(config: Config, served: Mapping[str, str], skills: Mapping[str, Mapping[str, Estimate]]) -> dict[str, str]:
    """The tasks that another network serves beyond chance better, with its training; ``together`` holds them."""
    held = {task for group in config.together for task in group}
    found = {
        task: surely_better(
            skills[now][task], {name: own[task] for name, own in skills.items() if name != now and task in own}
        )
        for task, now in served.items()
        if task not in held
    }
    return {task: training for task, training in found.items() if training is not None}


def _mean(skills: Iterable[Estimate]) -> float:
    known = [skill.value for skill in skills if not math.isnan(skill.value)]
    return fmean(known) if known else math.nan


def _sentence(kept: str, asked: str | None, means: Mapping[str, float], count: int, moved: Mapping[str, str]) -> str:
    """What is served and why; ``asked`` is what the user has asked for."""

    def shown(plan: str) -> str:
        return f"{TITLES[plan].format(count)} ({means[plan]:.4f})"

    against = ", ".join(shown(plan) for plan in means if plan != kept)
    why = ""
    if asked is not None and kept != asked:
        why = f", beyond chance better than what was asked for, {TITLES[asked].format(count)}"
    tasks = "; ".join(f"{task} by {training}" for task, training in moved.items())
    also = f"; beyond chance better elsewhere, and served from there: {tasks}" if moved else ""
    return f"served, by mean skill on validation: {shown(kept)}{why}; against {against}{also}"
