"""The mean of everything that a run trains: networks of several folds, forests, boosted trees and linear models."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from ...balancing.make import balance_of
from ...data import Rows, SparseRows
from ...data.class_weights import weighted_by_class
from ...data.rows import map_inputs
from ...models.fitted import Columns, FittedModel
from ...task import Task
from ...training import TrainingResult
from ...training.evaluation import Evaluation, task_estimate, task_outputs, task_targets
from ...training.fit import TaskResult
from ...training.trees import load_tree, save_tree
from ...uncertainty import THREE_ERRORS, Estimate, exceeds
from ..averaged import Outputs
from ..bundle import serving_places
from ..keep import Skills, mean_difference, skill_estimate
from ..preparation.prepared import labelled_rows
from ..served import Trained
from ..trainer import Trainer, make_balancer
from ..trainings import Network
from .cross_fit import Development, cross_fit, labelled, labels_of
from .families import Family, LinearInputs, projection_of
from .mixing import FALSE_MOVES, Judged, Shares, choose_shares, mixed, repeats

#: What the networks of the run are called among the candidates.
NETWORKS = "networks"
#: Raw outputs, stored targets and what they count as in standard errors, of the validation rows with a label, by task.
Held = dict[str, tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class JudgedCandidate:
    """Models whose mean prediction is one candidate.

    Attributes:
        name: Of the family, or :data:`NETWORKS`.
        models: By task the trainings of the models.
        outputs: By task raw outputs for the development rows by models that have not learned from them.
    """

    name: str
    models: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, Tensor]


@dataclass(frozen=True)
class ServedEnsemble:
    """What is served instead of the networks.

    Attributes:
        served: Models, each with the tasks that it serves, as often as it counts in their mean.
        held: What the ensemble predicts for the validation rows, where its models have learned from these.
        about: For ``results.json``.
        sentence: What is served and why.
        means: Mean skills on validation.
    """

    served: list[Trained]
    held: Held
    about: dict[str, Any]
    sentence: str
    means: dict[str, float]

    @property
    def compared(self) -> dict[str, Any]:
        """For ``selection.json``."""
        return {"skill_on_validation": self.means, "kept": next(iter(self.about)), "averaged": [], "moved": {},
                "sentence": self.sentence}  # fmt: skip


@dataclass(frozen=True)
class Mixture:
    """The mean of all candidates by task.

    Attributes:
        shares: How often each candidate counts.
        held: What the mean predicts for the validation rows.
        skills: Its skill there.
        before: That of the networks alone, on the same rows.
    """

    shares: dict[str, Shares]
    held: Held
    skills: dict[str, Estimate]
    before: dict[str, Estimate]


def networks_candidate(
    trainer: Trainer, data: Development, served: Sequence[Trained], pool: dict[str, Trained]
) -> JudgedCandidate:
    """The networks as one candidate: members of the ensemble, or those that are served."""
    trained = _members(trainer, data) if trainer.config.ensemble > 1 else list(served)
    pool |= {one.network.training: one for one in trained}
    models = {
        task.name: tuple(one.network.training for one in trained if task.name in one.network.serves)
        for task in trainer.data.tasks
    }
    each = [_outputs_by_task(one, data, k, trainer.config.ensemble > 1) for k, one in enumerate(trained)]
    outputs = {}
    for task in trainer.data.tasks:
        own = [found[task.name] for found in each if task.name in found]
        outputs[task.name] = own[0] if len(own) == 1 else _together(task, own, data)
    return JudgedCandidate(NETWORKS, models, outputs)


def _outputs_by_task(one: Trained, data: Development, k: int, member: bool) -> dict[str, Tensor]:
    """Outputs of a network for the rows that it has not learned from, NaN for the others."""
    held = torch.cat([data.folds[k][1], data.apart]) if member and data.in_folds else data.judged
    model = one.result.model
    positions = [p for p, task in enumerate(model.tasks) if task.name in one.network.serves]
    found = task_outputs(model, data.rows.subset(held), positions)
    whole = {}
    for position, outputs in zip(positions, found, strict=True):
        whole[model.tasks[position].name] = torch.full((len(data.rows), *outputs.shape[1:]), torch.nan)
        whole[model.tasks[position].name][held] = outputs.cpu()
    return whole


def _together(task: Task, outputs: Sequence[Tensor], data: Development) -> Tensor:
    """Of members of folds every row by the one that has not seen it; of others the mean."""
    if not data.in_folds:
        return task.definition.average(outputs)
    found = outputs[0].clone()
    if len(data.apart):
        found[data.apart] = task.definition.average([own[data.apart] for own in outputs])
    for (_, held), own in zip(data.folds, outputs, strict=True):
        found[held] = own[held]
    return found


def _members(trainer: Trainer, data: Development) -> list[Trained]:
    """A network for all per fold, as configured; where rows cannot be held out by chance they differ by their seed."""
    everyone = tuple(range(len(trainer.data.tasks)))
    names = tuple(task.name for task in trainer.data.tasks)
    found = []
    for k in range(trainer.config.ensemble):
        learn, held = data.folds[k] if data.in_folds else data.folds[0]
        own = trainer.for_network(everyone)
        own = replace(own, config=own.config.model_copy(update={"seed": trainer.config.seed + k}))
        parts = {"train": data.rows.subset(learn), "validation": data.rows.subset(held)}
        result = own.train(
            f"ensemble_{k}",
            f"ensemble_{k}",
            everyone,
            balancer=make_balancer(balance_of(own.config.balance, names, own.config.targets)),
            plain=False,
            callbacks=own.convergence(names, None, None),
            parts={name: labelled_rows(rows, list(everyone)) for name, rows in parts.items()},
        )
        found.append(Trained(Network(f"ensemble_{k}", everyone, names), result))
    return found


def family_candidate(
    trainer: Trainer, family: Family, data: Development, pool: dict[str, Trained]
) -> JudgedCandidate | None:
    """A family for all targets that it takes, fitted now or read from the run's folder."""
    run, name = trainer.run, family.name
    stored = run.trainings / name / "result.safetensors"
    with run.phase(name), trainer.display.training(name):
        started = time.monotonic()
        if stored.exists():
            state = load_tree(stored)
        else:
            with threadpool_limits(trainer.config.threads):
                fitted = fit_family(family, data, trainer.data.tasks, trainer.config.seed)
            state = fitted | {"seconds": time.monotonic() - started}
            stored.parent.mkdir(parents=True, exist_ok=True)
            save_tree(stored, state)
    if not state["tasks"]:
        return None
    tasks = [task for task in trainer.data.tasks if task.name in state["tasks"]]
    candidate = JudgedCandidate(name, {task.name: (name,) for task in tasks}, state["outputs"])
    if not state["model"]:
        return candidate
    model = FittedModel.restored(state["stored"], state["model"], tasks)
    positions = tuple(place for place, task in enumerate(trainer.data.tasks) if task in tasks)
    result = _as_training(trainer, data, model, positions, state["outputs"], state["seconds"])
    pool[name] = Trained(Network(name, positions, tuple(task.name for task in tasks)), result)
    return candidate


def fit_family(family: Family, data: Development, targets: Sequence[Task], seed: int) -> dict[str, Any]:
    """Fit a family for all targets that it takes.

    Args:
        family: What is fitted.
        data: The rows, with the columns of all targets, and folds.
        targets: All targets.
        seed: Seed of all that is drawn.

    Returns:
        ``tasks``: names of the targets; ``outputs``: by name those of a cross-fit; ``model`` and ``stored``:
        the models that have learned from all rows but those apart, for :meth:`FittedModel.restored`.
    """
    tasks, parts, outputs = [], [], {}
    columns = columns_of(data.rows) if family.of_columns else None
    inputs: Any = LinearInputs(data.rows.inputs) if columns is None else columns(data.rows.inputs).numpy()
    weighted = weighted_by_class(data.rows, targets)
    for position, task in enumerate(targets):
        if not family.takes(task):
            continue
        ids, labels = task_targets(data.rows, position)[0], labels_of(weighted, position)
        found = cross_fit(family, task, inputs, ids, labels, data, seed)
        if found is not None:
            own = ids[~torch.isin(ids, data.apart)]
            parts.append(family.final(task, inputs, own, labels, seed, found.variant))
            tasks.append(task)
            outputs[task.name] = found.outputs
    model = FittedModel(family.name, columns, parts, tasks) if parts else None
    return {
        "tasks": [task.name for task in tasks],
        "outputs": outputs,
        "model": {} if model is None else dict(model.state_dict()),
        "stored": {} if model is None else model.stored(),
    }


def columns_of(rows: Rows) -> Columns:
    """What trees read of the inputs of a table."""
    text = rows.inputs.get("text") if isinstance(rows.inputs, Mapping) else None
    return Columns(projection_of(text) if isinstance(text, SparseRows) else None)


def _as_training(
    trainer: Trainer,
    data: Development,
    model: FittedModel,
    positions: Sequence[int],
    outputs: Mapping[str, Tensor],
    seconds: float,
) -> TrainingResult:
    """A family in the form of a training, with metrics of rows that it has not learned from."""
    values, learned = {}, {}
    for position, task in zip(positions, model.tasks, strict=True):
        ids, targets = labelled(data.rows, position, data.judged)
        own, units = outputs[task.name][ids], data.rows.units(ids)
        values[task.name] = task_estimate(task, own, targets, units).value
        learned[task.name] = exceeds(skill_estimate(task, own, targets, units), THREE_ERRORS)
    tasks = {name: TaskResult(value, value, 0.0, None, 1.0, learned[name]) for name, value in values.items()}
    nothing = dict.fromkeys(values, 0.0)
    history = [Evaluation(0, 0.0, values, nothing, dict.fromkeys(values, 1.0), dict.fromkeys(values, 0))]
    return TrainingResult(model, tasks, 0.0, 0, seconds, history, {})


def mix(
    trainer: Trainer, data: Development, served: Sequence[Trained], candidates: Sequence[JudgedCandidate]
) -> Mixture:
    """Shares by task, and what they give."""
    first, rows = len(trainer.data.rows["train"]), trainer.data.rows["validation"]
    alone = served_outputs(trainer, served)
    ids, judged = {}, {}
    for position, task in enumerate(trainer.data.tasks):
        ids[task.name], judged[task.name] = _judged(task, position, data, candidates)
    found = Mixture(choose_shares(judged), {}, {}, {})
    for name, one in judged.items():
        validation = ids[name] >= first
        own = {candidate: one.outputs[candidate][validation] for candidate in found.shares[name]}
        places = ids[name][validation] - first
        found.held[name] = mixed(one.task, own, found.shares[name]), one.targets[validation], rows.units(places)
        found.skills[name] = skill_estimate(one.task, *found.held[name])
        found.before[name] = skill_estimate(one.task, *_among(alone[name], places, rows))
    return found


def _judged(
    task: Task, position: int, data: Development, candidates: Sequence[JudgedCandidate]
) -> tuple[Tensor, Judged]:
    """The rows of a task that every candidate has predicted, and what they have predicted there."""
    own = {one.name: one.outputs[task.name] for one in candidates if task.name in one.outputs}
    ids, targets = labelled(data.rows, position, data.judged)
    known = torch.stack([complete(outputs[ids]) for outputs in own.values()]).all(0)
    ids, targets = ids[known], targets[known]
    return ids, Judged(task, {name: outputs[ids] for name, outputs in own.items()}, targets, data.rows.units(ids))


def complete(outputs: Tensor) -> Tensor:
    """``[n]`` bool, which rows have outputs."""
    return ~outputs.isnan().unsqueeze(-1).flatten(1).any(1)


def kept_ensemble(
    trainer: Trainer, pool: Mapping[str, Trained], candidates: Sequence[JudgedCandidate], found: Mixture
) -> ServedEnsemble | None:
    """The ensemble, unless validation shows beyond chance that the networks alone are better."""
    means = {"ensemble": mean_skill(found.skills), "networks": mean_skill(found.before)}
    if exceeds(mean_difference(found.skills, found.before), FALSE_MOVES):
        trainer.display.say(f"the ensemble is not served: mean skill on validation {means['ensemble']:.4f}, beyond "
                            f"chance below that of the networks alone ({means['networks']:.4f})")  # fmt: skip
        return None
    counts = _counts(pool, candidates, found)
    kept = [
        Trained(replace(one.network, serves=tuple(counts[training])), one.result)
        for training, one in pool.items()
        if counts[training]
    ]
    for one in kept:
        one.result.model.eval()
    cost, speed = cost_of(trainer, kept)
    sentence = (
        f"served: the mean of {len(kept)} models ({cost}): mean skill on validation {means['ensemble']:.4f}, of the "
        f"networks before {means['networks']:.4f}{_unequal(found.shares)}"
    )
    trainer.display.say(sentence)
    shares = {task: dict(own) for task, own in found.shares.items()}
    about = {"shares": shares, "milliseconds_per_row": speed, "skill_on_validation": means}
    return ServedEnsemble(kept, found.held, {"ensemble": about}, sentence, means)


def _counts(pool: Mapping[str, Trained], candidates: Sequence[JudgedCandidate], found: Mixture) -> dict[str, list[str]]:
    """By training the tasks that it serves, as often as it counts in their mean."""
    counts: dict[str, list[str]] = {training: [] for training in pool}
    for task, shares in found.shares.items():
        models = {one.name: one.models[task] for one in candidates if task in one.models}
        for name, times in repeats(shares, {name: len(models[name]) for name in shares}).items():
            for training in models[name]:
                counts[training] += [task] * times
    return counts


def cost_of(trainer: Trainer, served: Sequence[Trained]) -> tuple[str, float]:
    """What a prediction of all models costs, in words, and milliseconds per row."""
    speed = round(_milliseconds([one.result.model for one in served], trainer.data.rows["validation"]), 4)
    parameters = sum(p.numel() for one in served for p in one.result.model.parameters())
    return f"{parameters:,} parameters, {speed:.2g} ms per row", speed


def _unequal(shares: Mapping[str, Mapping[str, int]]) -> str:
    """Which tasks do not take the plain mean."""
    names = {name for own in shares.values() for name in own}
    moved = [task for task, own in shares.items() if set(own) != names or len(set(own.values())) > 1]
    if not moved:
        return f"; equal shares of {', '.join(sorted(names))} for every target"
    said = "; ".join(
        f"{task}: {', '.join(f'{name} {share}' if share > 1 else name for name, share in shares[task].items())}"
        for task in moved[:6]
    )
    return f"; equal shares but for {said}{' and others' if len(moved) > 6 else ''}"


def mean_skill(skills: Skills) -> float:
    known = [skill.value for skill in skills.values() if skill.value == skill.value]
    return sum(known) / len(known) if known else float("nan")


def served_outputs(trainer: Trainer, served: Sequence[Trained]) -> Held:
    """What the networks alone predict for the validation rows."""
    places = serving_places(one.network.serves for one in served)
    models = dict(enumerate(one.result.model for one in served))
    outputs = Outputs(trainer.data.rows["validation"], trainer.data.tasks, models)
    return {task.name: outputs.labelled(task.name, places[task.name]) for task in trainer.data.tasks}


def _among(found: tuple[Tensor, Tensor, Tensor], ids: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
    """Those of some rows, with what these count as in standard errors."""
    inside = torch.isin(found[2], ids)
    return found[0][inside], found[1][inside], rows.units(found[2][inside])


def _milliseconds(models: Sequence[Any], rows: Rows) -> float:
    """Of a prediction of all models for one row among many."""
    some = min(len(rows), 512)
    inputs = map_inputs(rows.inputs, lambda leaf: leaf[torch.arange(some)])
    started = time.monotonic()
    for model in models:
        task_outputs(model, inputs, range(len(model.tasks)), some)
    return 1000 * (time.monotonic() - started) / max(1, some)
