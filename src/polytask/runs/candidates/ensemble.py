"""The mean of everything that a run trains: networks of several folds, forests, boosted trees and linear models."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...balancing.make import balance_of
from ...config import Config
from ...data import Rows, SparseRows
from ...data.class_weights import weighted_by_class
from ...data.rows import map_inputs
from ...errors import UserError, raise_all
from ...models.fitted import Columns, FittedModel
from ...task import Task
from ...training import TrainingResult
from ...training.evaluation import Evaluation, task_estimate, task_outputs, task_targets
from ...training.fit import TaskResult
from ...training.trees import load_tree, save_tree
from ...uncertainty import THREE_ERRORS, exceeds
from ..averaged import Outputs
from ..bundle import serving_places
from ..keep import Skills, mean_difference, skill_estimate
from ..linear import is_matrix
from ..preparation.prepared import Prepared, labelled_rows
from ..served import Trained
from ..trainer import Trainer, make_balancer
from ..trainings import Network
from .cross_fit import Development, cross_fit, development, labelled, labels_of
from .families import Family, LinearInputs, families, projection_of
from .mixing import choose_shares, mixed, repeats

#: What the networks of the run are called among the candidates.
NETWORKS = "networks"
#: Raw outputs, stored targets and numbers of the validation rows with a label, by task.
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
        held: What the ensemble predicts for the validation rows, which its models have learned from.
        about: For ``results.json``.
        sentence: What is served and why.
    """

    served: list[Trained]
    held: Held
    about: dict[str, Any]
    sentence: str

    @property
    def compared(self) -> dict[str, Any]:
        """For ``selection.json``."""
        return {"skill_on_validation": self.about["skill_on_validation"], "kept": "ensemble", "averaged": [],
                "moved": {}, "sentence": self.sentence}  # fmt: skip


def wanted(config: Config) -> bool:
    """Whether anything but the networks of the run is to be served."""
    return config.ensemble > 1 or set(config.candidates) != {NETWORKS}


def check_candidates(data: Prepared, candidates: Sequence[str], ensemble: int) -> None:
    """Raise if the rows are not such as candidates can learn from.

    Raises:
        UserError: It states what was found.
    """
    asked = sorted(set(candidates) - {NETWORKS})
    train = data.rows["train"]
    what = f"candidates: {' and '.join(asked)} learn" if asked else "ensemble: its members learn"
    if (asked or ensemble > 1) and (train.stored is not None or not len(data.rows["validation"])):
        found = "there are no validation rows" if train.stored is None else "the table stays in its file"
        raise UserError(f"{what} from rows in memory and are judged on validation rows; {found}; leave them out")
    if asked and not is_matrix(train.inputs):
        raise UserError(f"{what} from columns of a table (numbers, categories, hashed texts); this run reads something "
                        "else; leave them out")  # fmt: skip
    if not asked:
        return
    known = [task for task in data.tasks if any(family.takes(task) for family in families(asked, 1))]
    raise_all([f"candidates: {' and '.join(asked)} know none of the targets"] if not known else [])


def make_ensemble(trainer: Trainer, served: Sequence[Trained]) -> ServedEnsemble | None:
    """Train the candidates beside networks that were chosen, and mix them; None if the networks alone are better.

    Args:
        trainer: The run.
        served: The networks that it would serve without.
    """
    config, rows = trainer.config, trainer.data.rows
    data = development(config, rows["train"], rows["validation"], config.ensemble)
    pool: dict[str, Trained] = {}
    candidates = [_networks(trainer, data, served, pool)]
    for family in families(config.candidates, len(trainer.data.tasks)):
        if trainer.limit is not None and time.time() > trainer.limit.until and not trainer.run.finished(family.name):
            trainer.display.say(f"{family.name} is left out: the time limit has passed")
        elif found := _family(trainer, family, data, pool):
            candidates.append(found)
    return _mixed(trainer, data, served, candidates, pool)


def _networks(
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
    held = data.folds[k][1] if member and data.in_folds else data.judged
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


def _family(trainer: Trainer, family: Family, data: Development, pool: dict[str, Trained]) -> JudgedCandidate | None:
    """A family for all targets that it takes, fitted now or read from the run's folder."""
    run, name = trainer.run, family.name
    stored = run.trainings / name / "result.safetensors"
    with run.phase(name), trainer.display.training(name):
        started = time.monotonic()
        if stored.exists():
            state = load_tree(stored)
        else:
            state = fit_family(family, data, trainer.data.tasks, trainer.config.seed) | {
                "seconds": time.monotonic() - started
            }
            stored.parent.mkdir(parents=True, exist_ok=True)
            save_tree(stored, state)
    if not state["tasks"]:
        return None
    tasks = [task for task in trainer.data.tasks if task.name in state["tasks"]]
    model = FittedModel.restored(state["stored"], state["model"], tasks)
    positions = tuple(place for place, task in enumerate(trainer.data.tasks) if task in tasks)
    outputs = {task.name: state["outputs"][task.name] for task in tasks}
    result = _as_training(trainer, data, model, positions, outputs, state["seconds"])
    pool[name] = Trained(Network(name, positions, tuple(task.name for task in tasks)), result)
    return JudgedCandidate(name, {task.name: (name,) for task in tasks}, outputs)


def fit_family(family: Family, data: Development, targets: Sequence[Task], seed: int) -> dict[str, Any]:
    """Fit a family for all targets that it takes.

    Args:
        family: What is fitted.
        data: The rows, with the columns of all targets, and folds.
        targets: All targets.
        seed: Of all that is drawn.

    Returns:
        ``tasks``: names of the targets; ``outputs``: by name those of a cross-fit; ``model`` and ``stored``:
        the models that have learned from all rows, for :meth:`FittedModel.restored`.
    """
    tasks, parts, outputs = [], [], {}
    columns = _columns(data.rows) if family.of_columns else None
    inputs: Any = LinearInputs(data.rows.inputs) if columns is None else columns(data.rows.inputs).numpy()
    weighted = weighted_by_class(data.rows, targets)
    for position, task in enumerate(targets):
        if not family.takes(task):
            continue
        ids, labels = task_targets(data.rows, position)[0], labels_of(weighted, position)
        found = cross_fit(family, task, inputs, ids, labels, data, seed)
        if found is not None:
            parts.append(family.final(task, inputs, ids, labels, seed, found.variant))
            tasks.append(task)
            outputs[task.name] = found.outputs
    if not tasks:
        return {"tasks": [], "outputs": {}, "model": {}, "stored": {}}
    model = FittedModel(family.name, columns, parts, tasks)
    return {
        "tasks": [task.name for task in tasks],
        "outputs": outputs,
        "model": dict(model.state_dict()),
        "stored": model.stored(),
    }


def _columns(rows: Rows) -> Columns:
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
        own = outputs[task.name][ids]
        values[task.name] = task_estimate(task, own, targets, ids).value
        learned[task.name] = exceeds(skill_estimate(task, own, targets, ids), THREE_ERRORS)
    tasks = {name: TaskResult(value, value, 0.0, None, 1.0, learned[name]) for name, value in values.items()}
    nothing = dict.fromkeys(values, 0.0)
    history = [Evaluation(0, 0.0, values, nothing, dict.fromkeys(values, 1.0), dict.fromkeys(values, 0))]
    return TrainingResult(model, tasks, 0.0, 0, seconds, history, {})


def _mixed(
    trainer: Trainer,
    data: Development,
    served: Sequence[Trained],
    candidates: Sequence[JudgedCandidate],
    pool: Mapping[str, Trained],
) -> ServedEnsemble | None:
    """Shares by task, and what follows from them."""
    counts: dict[str, list[str]] = {training: [] for training in pool}
    shares, held, ours, before = {}, Held(), {}, {}
    first = len(data.rows) - len(trainer.data.rows["validation"])
    alone = _served_outputs(trainer, served)
    for position, task in enumerate(trainer.data.tasks):
        own = {one.name: one.outputs[task.name] for one in candidates if task.name in one.outputs}
        ids, targets = labelled(data.rows, position, data.judged)
        known = torch.stack([~outputs[ids].reshape(len(ids), -1).isnan().any(1) for outputs in own.values()]).all(0)
        ids, targets = ids[known], targets[known]
        chosen = choose_shares(task, {name: outputs[ids] for name, outputs in own.items()}, targets, ids)
        shares[task.name] = chosen
        validation = ids >= first
        outputs = mixed(task, {name: own[name][ids[validation]] for name in chosen}, chosen)
        held[task.name] = outputs, targets[validation], ids[validation] - first
        ours[task.name] = skill_estimate(task, *held[task.name])
        before[task.name] = skill_estimate(task, *_among(alone[task.name], held[task.name][2]))
        models = {one.name: one.models[task.name] for one in candidates if task.name in one.models}
        for name, times in repeats(chosen, {name: len(models[name]) for name in chosen}).items():
            for training in models[name]:
                counts[training] += [task.name] * times
    return _kept(trainer, pool, counts, shares, held, ours, before)


def _kept(
    trainer: Trainer,
    pool: Mapping[str, Trained],
    counts: Mapping[str, list[str]],
    shares: Mapping[str, Mapping[str, int]],
    held: Held,
    ours: Skills,
    before: Skills,
) -> ServedEnsemble | None:
    """The ensemble, unless validation shows beyond chance that the networks alone are better."""
    gain = mean_difference(before, ours)
    means = [_mean(before), _mean(ours)]
    if exceeds(gain * -1.0, 0.05):
        trainer.display.say(f"the ensemble is not served: mean skill on validation {means[1]:.4f}, beyond chance below "
                            f"that of the networks alone ({means[0]:.4f})")  # fmt: skip
        return None
    found = [
        Trained(replace(one.network, serves=tuple(counts[training])), one.result)
        for training, one in pool.items()
        if counts[training]
    ]
    for one in found:
        one.result.model.eval()
    speed = _milliseconds([one.result.model for one in found], trainer.data.rows["validation"])
    parameters = sum(p.numel() for one in found for p in one.result.model.parameters())
    sentence = (
        f"served: the mean of {len(found)} models ({parameters:,} parameters, {speed:.2f} ms per row): mean skill on "
        f"validation {means[1]:.4f}, of the networks before {means[0]:.4f}{_unequal(shares)}"
    )
    trainer.display.say(sentence)
    about = {"shares": {task: dict(own) for task, own in shares.items()}, "milliseconds_per_row": round(speed, 4),
             "skill_on_validation": {"ensemble": means[1], "networks": means[0]}}  # fmt: skip
    return ServedEnsemble(found, held, about, sentence)


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


def _mean(skills: Skills) -> float:
    known = [skill.value for skill in skills.values() if skill.value == skill.value]
    return sum(known) / len(known) if known else float("nan")


def _served_outputs(trainer: Trainer, served: Sequence[Trained]) -> Held:
    """What the networks alone predict for the validation rows."""
    places = serving_places(one.network.serves for one in served)
    models = dict(enumerate(one.result.model for one in served))
    outputs = Outputs(trainer.data.rows["validation"], trainer.data.tasks, models)
    return {task.name: outputs.labelled(task.name, places[task.name]) for task in trainer.data.tasks}


def _among(found: tuple[Tensor, Tensor, Tensor], ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Those of some rows."""
    inside = torch.isin(found[2], ids)
    return found[0][inside], found[1][inside], found[2][inside]


def _milliseconds(models: Sequence[Any], rows: Rows) -> float:
    """Of a prediction of all models for one row among many."""
    some = min(len(rows), 512)
    inputs = map_inputs(rows.inputs, lambda leaf: leaf[torch.arange(some)])
    started = time.monotonic()
    for model in models:
        task_outputs(model, inputs, range(len(model.tasks)), some)
    return 1000 * (time.monotonic() - started) / max(1, some)
