"""One network that learns from the labels and from the mean of all candidates: their quality at its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...balancing.make import balance_of
from ...config import Config
from ...distillation.teacher import Teacher
from ...training import EnsembleDistillation, TrainingResult
from ...training.distillations import distillation_of
from ...uncertainty import exceeds
from ..keep import skill_estimate
from ..preparation.prepared import labelled_places
from ..served import Trained
from ..trainer import Trainer, make_balancer
from ..trainings import Network
from .cross_fit import Development
from .ensemble import (
    JudgedCandidate,
    Mixture,
    ServedEnsemble,
    complete,
    cost_of,
    mean_skill,
    served_outputs,
)
from .mixing import FALSE_MOVES, mixed

#: Name of the student's training.
STUDENT = "distilled"


def is_wanted(config: Config) -> bool:
    """Whether what the candidates predict is to be distilled into one network."""
    return distillation_of(config.distill)[0] == EnsembleDistillation.name


def distilled(
    trainer: Trainer,
    data: Development,
    served: Sequence[Trained],
    candidates: Sequence[JudgedCandidate],
    found: Mixture,
) -> ServedEnsemble | None:
    """Train the student; each task that it predicts no worse than the networks alone, by chance, is served by it.

    Args:
        trainer: The run.
        data: The rows, of which those of the validation part have taught no candidate.
        served: The networks that would be served without.
        candidates: What the candidates predict.
        found: The shares of their mean.
    """
    teachers = _teachers(trainer, data, candidates, found)
    result = _student(trainer, teachers)
    names = tuple(task.name for task in trainer.data.tasks)
    student = [Trained(Network(STUDENT, tuple(range(len(names))), names), result)]
    skills, before = (
        {task.name: skill_estimate(task, *outputs[task.name]) for task in trainer.data.tasks}
        for outputs in (served_outputs(trainer, student), served_outputs(trainer, served))
    )
    worse = [name for name in names if exceeds(before[name] - skills[name], FALSE_MOVES)]
    means = {"distilled": mean_skill(skills), "ensemble": mean_skill(found.skills), "networks": mean_skill(before)}
    figures = ", ".join(f"of {'the ' if name != 'distilled' else 'it '}{name} {mean:.4f}"
                        for name, mean in means.items() if name != "distilled")  # fmt: skip
    if len(worse) == len(names):
        trainer.display.say(f"the distilled network is not served: mean skill on validation {means['distilled']:.4f}, "
                            f"{figures}; every task is beyond chance worse")  # fmt: skip
        return None
    kept = [replace(student[0], network=replace(student[0].network, serves=tuple(n for n in names if n not in worse)))]
    for one in served:
        if left := tuple(name for name in one.network.serves if name in worse):
            kept.append(replace(one, network=replace(one.network, serves=left)))
    cost, speed = cost_of(trainer, kept)
    sentence = (
        f"served: one network that has learned from the mean of all candidates ({cost}): mean skill on validation "
        f"{means['distilled']:.4f}, {figures}"
    )
    sentence += f"; beyond chance worse, and served by the networks before: {', '.join(worse)}" if worse else ""
    trainer.display.say(sentence)
    about = {"tasks": list(kept[0].network.serves), "milliseconds_per_row": speed, "skill_on_validation": means}
    return ServedEnsemble(kept, {}, {"distilled": about}, sentence, means)


def _teachers(
    trainer: Trainer, data: Development, candidates: Sequence[JudgedCandidate], found: Mixture
) -> dict[str, Teacher]:
    """What the mean of all candidates that know the training rows predicts for them, by task where there are any."""
    train = trainer.data.rows["train"]
    places = labelled_places(train, range(len(trainer.data.tasks)))
    rows = torch.arange(len(train)) if places is None else places
    teachers = {}
    for task in trainer.data.tasks:
        known: dict[str, Tensor] = {
            one.name: one.outputs[task.name][rows] for one in candidates if task.name in one.outputs
        }
        own = {name: share for name, share in found.shares[task.name].items() if complete(known[name]).all()}
        if own:
            teachers[task.name] = Teacher(outputs=mixed(task, known, own))
    return teachers


def _student(trainer: Trainer, teachers: dict[str, Teacher]) -> TrainingResult:
    """A network for all tasks, as configured, that also follows the teachers."""
    everyone = range(len(trainer.data.tasks))
    names = tuple(task.name for task in trainer.data.tasks)
    own = trainer.for_network(everyone)
    method = EnsembleDistillation(teachers, **distillation_of(trainer.config.distill)[1])
    return own.train(
        STUDENT,
        STUDENT,
        everyone,
        balancer=make_balancer(balance_of(own.config.balance, names, own.config.targets)),
        plain=False,
        callbacks=[method, *own.convergence(names, None, None)],
    )
