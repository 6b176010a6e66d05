"""One network that learns from the labels and from the mean of all candidates: their quality at its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...balancing.make import balance_of
from ...config import Config
from ...data import Rows
from ...data.rows import joined
from ...distillation.teacher import Teacher
from ...task import Task
from ...training import EnsembleDistillation, TrainingResult
from ...training.distillations import distillation_of
from ...training.evaluation import task_outputs
from ...uncertainty import exceeds
from ..keep import skill_estimate
from ..preparation.prepared import labelled_places
from ..served import Trained
from ..trainer import Trainer, make_balancer
from ..trainings import Network
from .augmented import resampled, without_labels
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
#: Rows without labels that the student learns from, for each training row; and at most.
AUGMENTED, MOST_AUGMENTED = 4, 20_000
#: Probability that a column of such a row comes from another row.
RESAMPLED = 0.3


def is_wanted(config: Config) -> bool:
    """Whether what the candidates predict is to be distilled into one network."""
    return distillation_of(config.distill)[0] == EnsembleDistillation.name


def distilled(
    trainer: Trainer,
    data: Development,
    served: Sequence[Trained],
    pool: Mapping[str, Trained],
    candidates: Sequence[JudgedCandidate],
    found: Mixture,
) -> ServedEnsemble | None:
    """Train the student; each task that it predicts no worse than the networks alone, by chance, is served by it.

    Args:
        trainer: The run.
        data: The rows, of which those of the validation part have taught no candidate.
        served: The networks that would be served without.
        pool: The candidates' models by training; those of rows apart have learned from none of these.
        candidates: What the candidates predict.
        found: The shares of their mean.
    """
    rows, teachers = _lesson(trainer, pool, candidates, found)
    result = _student(trainer, rows, teachers)
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


def _lesson(
    trainer: Trainer, pool: Mapping[str, Trained], candidates: Sequence[JudgedCandidate], found: Mixture
) -> tuple[Rows, dict[str, Teacher]]:
    """What the student learns from: the training rows and, of one table, rows that are made of them; with what the mean
    of all candidates that know the training rows predicts for them, by task where there are any."""
    train, tasks = trainer.part("train", range(len(trainer.data.tasks))), trainer.data.tasks
    places = labelled_places(trainer.data.rows["train"], range(len(tasks)))
    known = torch.arange(len(train)) if places is None else places
    more = None
    if train.source is None:
        count = min(AUGMENTED * len(train), MOST_AUGMENTED)
        more = without_labels(resampled(train.inputs, count, RESAMPLED, trainer.config.seed), train)
    teachers = {}
    for task in tasks:
        outputs = {one.name: one.outputs[task.name][known] for one in candidates if task.name in one.outputs}
        own = {name: share for name, share in found.shares[task.name].items() if complete(outputs[name]).all()}
        if own:
            parts = [mixed(task, outputs, own)]
            if more is not None:
                by_models = {one.name: _predicted(task, one, pool, more) for one in candidates if one.name in own}
                parts.append(mixed(task, by_models, own))
            teachers[task.name] = Teacher(outputs=torch.cat(parts))
    return train if more is None else joined([train, more]), teachers


def _predicted(task: Task, candidate: JudgedCandidate, pool: Mapping[str, Trained], rows: Rows) -> Tensor:
    """Outputs whose prediction is the mean of those of a candidate's models, for rows that none of them has seen."""
    models = [pool[name].result.model for name in candidate.models[task.name]]
    places = [[own.name for own in model.tasks].index(task.name) for model in models]
    return task.definition.average(
        [task_outputs(model, rows, [place])[0].cpu() for model, place in zip(models, places, strict=True)]
    )


def _student(trainer: Trainer, rows: Rows, teachers: dict[str, Teacher]) -> TrainingResult:
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
        parts={"train": rows, "validation": trainer.part("validation", everyone)},
    )
