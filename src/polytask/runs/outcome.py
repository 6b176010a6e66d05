"""What a run's trainings have given: measured on rows that nothing was decided by, and written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..distillation.monitor import above_chance
from ..files import sha256, write_json
from ..processes.collectives import is_first
from ..records.values import number, read_object
from ..task import Task
from ..task.conformal import Scores
from ..training import TrainingResult
from ..training.evaluation import task_estimate, trivial_estimates, trivial_levels
from ..uncertainty import Estimate
from .averaged import Outputs
from .bundle import METADATA, WEIGHTS, save_network, serving_places
from .candidates.ensemble import ServedEnsemble
from .folds import finish_folds, save_predictions
from .further_metrics import add_further
from .intervals import coverage, described_coverage, interval_scores, save_scores
from .made_with import made_with
from .missed_classes import add_missed
from .plots import write_plots
from .probabilities import Probabilities
from .results import Delivered, baseline, task_entry, totals_of
from .resumed import close
from .trainer import Trainer

#: Entries of further baselines, of the run with the thresholds that are served, its networks and their test metrics.
Baselines = Callable[[Trainer, Sequence[Delivered], Mapping[str, Estimate]], dict[str, Any]]


@dataclass(frozen=True)
class RunOutcome:
    """What the trainings of a run have given.

    Attributes:
        networks: What is delivered.
        baselines: What else is compared with.
        joint: One plain network for all, if it is compared with.
        singles: Single-task models by position that are compared with.
        ensemble: What validation rows say of networks that have learned from these, if they have.
    """

    networks: Sequence[Delivered]
    baselines: Baselines
    joint: TrainingResult | None = None
    singles: Mapping[int, TrainingResult] = field(default_factory=dict)
    ensemble: ServedEnsemble | None = None


def finish(trainer: Trainer, outcome: RunOutcome) -> dict[str, Any]:
    """Read the test split, write results, networks and the report, and clean up; gives the content of the results."""
    run, networks = trainer.run, outcome.networks
    probabilities = _probabilities(trainer, outcome)
    trainer = probabilities.applied(trainer)
    data = trainer.data
    models = dict(enumerate(one.model for one in networks))
    places = serving_places(one.serves for one in networks)
    test, validation = (Outputs(data.rows[part], data.tasks, models) for part in (trainer.final_part, "validation"))
    ours = {task.name: test.metric(task.name, places[task.name]) for task in data.tasks}
    levels = trivial_levels(data.tasks, data.rows[trainer.final_part])
    constants = trivial_estimates(data.tasks, data.rows["validation"])
    entries: dict[str, Any] = {}
    for task in data.tasks:
        own = places[task.name]
        results = [networks[place].result for place in own]
        served = _on_validation(outcome, validation, task, own)
        looks = max((len(result.history) for result in results if result is not None), default=1)
        learned = served is not None and _above_constant(task, served, *constants[task.name], looks)
        entries[task.name] = task_entry(task, results, ours[task.name], own, levels[task.name], served, learned)
    entries = add_further(test, places, entries)
    if trainer.final_part == "validation":  # a trial, whose differences to others need the errors of pairs
        for name, entry in entries.items():
            entry |= {"blocks": ours[name].blocks.tolist(), "counted": ours[name].counted}
    if outcome.ensemble is None:  # its networks have learned from the validation rows
        entries = add_missed(validation, places, entries)
    scores = interval_scores(validation, places, None if outcome.ensemble is None else outcome.ensemble.held)
    _add_coverage(trainer, entries, test, places, scores)
    baselines = _baselines(trainer, outcome, ours) | outcome.baselines(trainer, networks, ours)
    totals = totals_of(trainer, networks, entries, baselines, {name: number(level) for name, level in levels.items()})
    totals |= outcome.ensemble.about if outcome.ensemble is not None else {}
    written = _with_folds(trainer, outcome, {"tasks": entries, "baselines": baselines, "totals": totals})
    written["made_with"] = made_with(data.fingerprint, trainer.config.seed, run.decided)
    write_plots(trainer, [one.model for one in networks], places, written)
    if is_first():
        for place, one in enumerate(networks):
            _save(trainer, place, one)
        probabilities.save(run)
        save_scores(run, scores, trainer.config.interval)
        run.forget_unfinished()
        run.log.write("finish", seconds=totals["seconds"])
        write_json(run.results, written)
    return close(run, written)


def _on_validation(outcome: RunOutcome, validation: Outputs, task: Task, networks: Sequence[int]) -> Estimate | None:
    """The validation metric of what is served; None where its network has learned from these rows."""
    if outcome.ensemble is not None and outcome.ensemble.held:
        return task_estimate(task, *outcome.ensemble.held[task.name])
    alone = len(networks) == 1 and outcome.networks[networks[0]].result is not None
    return None if outcome.ensemble is not None and alone else validation.metric(task.name, networks)


def _above_constant(task: Task, served: Estimate, constant: Estimate, null_error: float, looks: int) -> bool:
    """Whether what is served is better than a constant on validation, beyond chance; the best of some evaluations."""
    return above_chance((served - constant) * task.metric_definition.sign, looks, null_error)


def _add_coverage(
    trainer: Trainer,
    entries: Mapping[str, dict[str, Any]],
    test: Outputs,
    places: Mapping[str, Sequence[int]],
    scores: Mapping[str, Scores],
) -> None:
    """How often prediction intervals hold the test labels, if anyone asked for any."""
    if trainer.config.interval is None:
        return
    found = coverage(test, places, scores, trainer.config.interval)
    for name, one in found.items():
        entries[name]["coverage"] = one
    for line in described_coverage(found):
        trainer.display.say(line)


def _probabilities(trainer: Trainer, outcome: RunOutcome) -> Probabilities:
    """Choose temperatures and thresholds of what is served, and of the baselines for themselves."""
    names = [task.name for task in trainer.data.tasks]
    if outcome.singles:
        alone = {names[position]: (k,) for k, position in enumerate(outcome.singles)}
        Probabilities.decide(trainer, [one.model for one in outcome.singles.values()], alone)
    if outcome.joint is not None:
        Probabilities.decide(trainer, [outcome.joint.model], dict.fromkeys(names, (0,)))
    places = serving_places(one.serves for one in outcome.networks)
    learned = {name: places[name] for name in trainer.config.targets}
    held = None if outcome.ensemble is None else outcome.ensemble.held
    found = Probabilities.decide(trainer, [one.model for one in outcome.networks], learned, held)
    found.say(trainer)
    return found


def _baselines(trainer: Trainer, outcome: RunOutcome, ours: Mapping[str, Estimate]) -> dict[str, Any]:
    """Entries of the networks that were trained to compare with."""
    found: dict[str, Any] = {}
    for position, result in outcome.singles.items():
        found.setdefault("single_task", {}).update(_measured(trainer, result, [position], ours))
    if outcome.joint is not None:
        everyone = range(len(trainer.data.tasks))
        found["all_in_one"] = _measured(trainer, outcome.joint, everyone, ours)
    return found


def _measured(
    trainer: Trainer, result: TrainingResult, positions: Sequence[int], ours: Mapping[str, Estimate]
) -> dict[str, Any]:
    """The entries of a network that was trained to compare with, with its own temperatures and thresholds."""
    validation, test = (trainer.measured(result, positions, part) for part in ("validation", trainer.final_part))
    found = {name: {"validation": validation[name], "test": test[name]} for name in test}
    return baseline(found, result.model.tasks, ours)


def _with_folds(trainer: Trainer, outcome: RunOutcome, results: dict[str, Any]) -> dict[str, Any]:
    """The results with what a cross-validation adds; a fold keeps its predictions for it."""
    if trainer.config.fold is None:
        return results if trainer.config.folds is None else finish_folds(trainer, results)
    names, singles = [task.name for task in trainer.data.tasks], outcome.singles
    plans: dict[str, Any] = {
        "ours": ([one.model for one in outcome.networks], serving_places(one.serves for one in outcome.networks)),
        "single_task": (
            [one.model for one in singles.values()] if len(singles) == len(names) else [],
            {names[position]: (k,) for k, position in enumerate(singles)},
        ),
        "all_in_one": ([] if outcome.joint is None else [outcome.joint.model], dict.fromkeys(names, (0,))),
    }
    save_predictions(trainer, {name: plan for name, plan in plans.items() if plan[0]})
    return results


def _save(trainer: Trainer, place: int, network: Delivered) -> None:
    """Write a network; one that is as it was has the very file that it had."""
    run = trainer.run
    folder = run.networks / str(place)
    if network.source is None:
        save_network(folder, network.model, network.serves, trainer.config, run.schema, trainer.data.schema.rows)
        return
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(network.source / WEIGHTS, folder / WEIGHTS)
    metadata = read_object(network.source / METADATA)
    write_json(folder / METADATA, {**metadata, "serves": list(network.serves), "schema_sha256": sha256(run.schema)})
