"""The whole way, from a table to networks, honest figures and a page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..balancing import Balancer
from ..config import Config
from ..config.learning import unused_entries
from ..display.display import Display
from ..display.text import fewer
from ..distillation import check_tasks
from ..errors import UserError, raise_all
from ..files import write_json
from ..grouping.strategies import GROUPINGS
from ..processes.collectives import is_first, wait_for_all, world_size
from ..records.folder import RunFolder, refuse_existing
from ..records.values import number
from ..training import Parts, TrainingResult, check_training, check_trains
from ..training.evaluation import trivial_levels
from ..training.mixture import make_stream
from ..training.optimizer import make_optimizer
from ..uncertainty import Estimate
from .adding import add_run
from .bundle import save_network, serving_places
from .choice import one_network, plan_networks
from .decided import decisions
from .distill import without_teachers
from .encoders import network_of
from .folds import FoldDisplay, finish_folds, fold_folders, save_predictions
from .further_metrics import add_further
from .kept_teachers import check_kept, keep, take_kept
from .linear import linear_models
from .made_with import made_with
from .plan import Planned, plan_run
from .plots import write_plots
from .preparation.prepare import prepare
from .preparation.prepared import Prepared
from .results import baseline, linear_baseline, task_entry, totals_of
from .resumed import AFTER_TRAINING, close, finished, nothing_lost, same_data
from .served import Trained, choose_served, means_of_several
from .side_by_side import train_ahead
from .thresholds import Moved, decide_thresholds, describe, save_thresholds
from .trackers import make_trackers
from .trainer import Trainer, make_balancer
from .trainings import (
    ALTERNATIVE,
    Network,
    Work,
    check_choice,
    check_order,
    compared_alone,
    joint_wanted,
    train_joint,
    train_network,
    train_single,
)


def fit_run(
    config: Config,
    out: Path,
    *,
    resume: bool = False,
    display: Display | None = None,
    final_part: str = "test",
    trust: bool = False,
) -> dict[str, Any]:
    """Do everything that ``polytask fit`` does.

    Affinity is measured in the very training that is the all-in-one baseline: probes leave it untouched.

    Args:
        config: What to do.
        out: Folder of the run; it must not exist, unless ``resume``.
        resume: Continue an interrupted run; finished phases are read again, the interrupted one goes on bit for bit.
        display: Where progress is shown.
        trust: See :meth:`polytask.runs.bundle.Bundle.load`, for the run that ``from`` names.
        final_part: Part of the split that ``test`` in the results is measured on; a search for settings says
            ``validation`` and leaves the test split alone.

    Returns:
        The content of ``results.json``.

    Raises:
        UserError: If the input is wrong; nothing is written then.
    """
    display = display or Display()
    if resume and not RunFolder.begun(out):
        display.say(f"{out}: nothing to resume yet; this is a new run")
        resume = False
    if config.from_run is not None:
        return add_run(config, out, resume=resume, display=display, final_part=final_part, trust=trust)
    if resume and (found := finished(RunFolder.open(out), config, display)):
        return found
    started = time.monotonic()
    decided = decisions(config, out, resume)
    asked, config = config, decided.applied(config)
    data = _checked(config, out, resume)
    trackers = make_trackers(config.report_to, out)
    wait_for_all()  # of several processes none writes before all have looked
    with decided.in_force(), RunFolder.locked(out):
        spent = sum(RunFolder.open(out).seconds.values()) if resume else time.monotonic() - started
        planned = plan_run(config, data, display, RunFolder.open(out) if resume else None, spent)
        config = config.model_copy(update=planned.changes)
        if not resume and is_first():
            RunFolder.create(out, asked, data, asdict(decided) | planned.stored())
        wait_for_all()
        run = RunFolder.open(out)
        run.log.listeners += trackers
        _carry_out_folds(asked, run, display, trust)
        settings = config.training().resolve(len(data.rows["train"]))
        limit = planned.limit(asked.time_limit, spent)
        return _carry_out(Trainer(config, data, run, display, settings, final_part, limit=limit), planned)


def _carry_out_folds(config: Config, run: RunFolder, display: Display, trust: bool) -> None:
    """The runs of the folds, or what is left of them."""
    if config.folds is None or config.fold is not None:
        return
    for fold, folder in enumerate(fold_folders(run, config)):
        own = config.model_copy(update={"fold": fold, "report_to": ()})
        shown = FoldDisplay(display, f"fold {fold + 1} of {config.folds}")
        results = fit_run(own, folder, resume=RunFolder.begun(folder), display=shown, trust=trust)
        values = ", ".join(f"{name} {_shown(entry['test'])}" for name, entry in results["tasks"].items())
        display.say(f"fold {fold + 1} of {config.folds}: {values}")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _carry_out(trainer: Trainer, planned: Planned) -> dict[str, Any]:
    """All trainings of a run, or what is left of them."""
    config, data = trainer.config, trainer.data
    _say_what_comes(trainer, planned)
    everyone = range(len(data.tasks))
    compared = compared_alone(config)
    alone = [Work(f"single_task_{position}", (position,)) for position in everyone]
    if taken := take_kept(config, trainer.run, len(data.tasks)):
        trainer.display.say(f"{taken} single-task models taken from {config.teachers}")
    if 0 < len(compared) < len(everyone):
        trainer.display.say(
            f"single-task models: of {len(compared)} of the {len(everyone):,} targets, drawn "
            f"(`--set max_baselines={len(everyone)}` trains all, `--no-baselines` none)"
        )
    together = [Work("all_in_one", tuple(everyone))] if joint_wanted(config) else []
    train_ahead(trainer, [*together, *(alone[position] for position in compared)])
    joint = train_joint(trainer)
    networks = plan_networks(trainer, joint)
    if joint is not None and trainer.config.start == "measured":
        trainer.display.say(f"networks start from the weights of the training for all tasks (epoch {joint.epoch:g})")
    _say_own_settings(trainer, networks)
    gamble = config.networks == "auto" and len(networks) > 1 and GROUPINGS[config.grouping].chooses
    if gamble and config.max_cost is not None and config.max_cost > len(networks) + len(everyone):
        compared = list(everyone)
    train_ahead(trainer, [alone[position] for position in compared])
    singles = {position: train_single(trainer, position) for position in compared}
    keep(config, data, trainer.run, compared)
    one = one_network(trainer, ALTERNATIVE) if gamble else []
    works = [network.work for network in [*networks, *one]]
    trainer.display.expect(int(joint is not None) + len(singles) + len(works))
    train_ahead(trainer, works, joint=joint is not None, singles=compared)
    asked, alternative = (_train(trainer, some, joint, singles) for some in (networks, one))
    served = choose_served(trainer, asked, alternative, joint, singles)
    beside = (joint, singles) if config.baselines else (None, {})
    with nothing_lost(AFTER_TRAINING.format(trainer.run.path)):
        return _finish(trainer, served, *beside)


def _say_what_comes(trainer: Trainer, planned: Planned) -> None:
    for line in trainer.data.describe():
        trainer.display.say(line)
    for warning in fewer(trainer.data.warnings):
        trainer.display.warn(warning)
    if planned.sentence:
        trainer.display.say(planned.sentence)
    trainer.display.expect(planned.trainings, planned.seconds)


def _say_own_settings(trainer: Trainer, networks: list[Network]) -> None:
    """Which networks have settings of their own, and which of these settings nobody has."""
    names, entries = [task.name for task in trainer.data.tasks], trainer.config.network_settings
    members = {network.training: [names[position] for position in network.tasks] for network in networks}
    for training, tasks in members.items():
        own = next((entry for entry in entries if entry.fits(tasks)), None)
        if own is not None:
            trainer.display.say(f"{training} ({', '.join(tasks)}): {own.describe()}")
    for place in unused_entries(entries, list(members.values())):
        held = ", ".join(entries[place].tasks)
        trainer.display.warn(
            f"network_settings: entry {place + 1} is not used: no network that holds {held} is left for it"
        )


def _train(
    trainer: Trainer, networks: list[Network], joint: TrainingResult | None, singles: Mapping[int, TrainingResult]
) -> list[Trained]:
    """Train networks as configured."""
    return [Trained(network, train_network(trainer, network, joint, singles)) for network in networks]


def _checked(config: Config, out: Path, resume: bool) -> Prepared:
    """The data, after everything that can be checked before anything is written."""
    if config.jobs > 1 and world_size() > 1:
        raise UserError(f"jobs: {world_size()} processes train each network together; set jobs to 1")
    balancer = make_balancer(config.balance)
    balancer.bind(config.targets)
    if resume:
        run = RunFolder.open(out)
        data = prepare(config, run.split)
        same_data(run, config, data.fingerprint)
        if data.encoded is not None:
            data.encoded.check_same(run.encoder)
    else:
        if RunFolder.begun(out):
            refuse_existing(out)
        data = prepare(config)
    kinds = GROUPINGS[config.grouping].kinds
    raise_all([
        f"grouping: {config.grouping} is for {' and '.join(kinds)} targets, found {task.kind} {task.name!r}; use tag"
        for task in data.tasks
        if kinds and task.kind not in kinds
    ])  # fmt: skip
    _made_once(config, data, balancer)
    check_kept(config, data)
    return data


def _made_once(config: Config, data: Prepared, balancer: Balancer) -> None:
    """Make everything that trainings are made of, so that what does not fit is found before the work."""
    rows = data.rows["train"]
    settings = config.training().resolve(len(rows))
    network = network_of(config, data.schema, data.tasks)
    parts = Parts(network, settings)
    parts.frozen.at(0)
    make_optimizer(parts.for_optimizer(), settings)
    make_stream(rows, None, settings, config.seed)
    check_order(config)
    distilling = without_teachers(config, data.tasks)
    for method in (balancer, *(make_balancer(own.balance) for own in config.network_settings if own.balance)):
        check_training(settings, method, network, distilling)
        check_trains(method, network, distilling)
    for keys in (config, *(config.for_network(entry.tasks) for entry in config.network_settings)):
        if keys.converge != "off":
            check_tasks(keys.convergence, data.tasks)
    check_choice(config, data)


def _thresholds(
    trainer: Trainer, served: list[Trained], joint: TrainingResult | None, singles: Mapping[int, TrainingResult]
) -> dict[str, Moved]:
    """Choose the thresholds between two classes of what is served, and of the baselines for themselves."""
    names = [task.name for task in trainer.data.tasks]
    if singles:
        alone = {names[position]: (k,) for k, position in enumerate(singles)}
        decide_thresholds(trainer, [one.model for one in singles.values()], alone)
    if joint is not None:
        decide_thresholds(trainer, [joint.model], dict.fromkeys(names, (0,)))
    places = serving_places(one.network.serves for one in served)
    moved = decide_thresholds(trainer, [one.result.model for one in served], places)
    for line in describe(moved, trainer.data.tasks):
        trainer.display.say(line)
    return moved


def _with_folds(
    trainer: Trainer,
    results: dict[str, Any],
    served: list[Trained],
    joint: TrainingResult | None,
    singles: Mapping[int, TrainingResult],
) -> dict[str, Any]:
    """The results with what a cross-validation adds; a fold keeps its predictions for it."""
    names = [task.name for task in trainer.data.tasks]
    if trainer.config.fold is not None:
        plans: dict[str, Any] = {
            "ours": ([one.result.model for one in served], serving_places(one.network.serves for one in served)),
            "single_task": (
                [one.model for one in singles.values()] if len(singles) == len(names) else [],
                {names[position]: (k,) for k, position in enumerate(singles)},
            ),
            "all_in_one": ([] if joint is None else [joint.model], dict.fromkeys(names, (0,))),
        }
        save_predictions(trainer, {name: plan for name, plan in plans.items() if plan[0]})
    elif trainer.config.folds is not None:
        return finish_folds(trainer, results)
    return results


def _finish(
    trainer: Trainer,
    served: list[Trained],
    joint: TrainingResult | None,
    singles: Mapping[int, TrainingResult],
) -> dict[str, Any]:
    """Read the test split, write results, networks and the report, and clean up."""
    run, data, config = trainer.run, trainer.data, trainer.config
    trivial: dict[str, float] = {}
    ours: dict[str, Estimate] = {}
    models = [one.result.model for one in served]
    places = serving_places(one.network.serves for one in served)
    moved = _thresholds(trainer, served, joint, singles)
    trainer = replace(trainer, data=data.with_thresholds({name: found.threshold for name, found in moved.items()}))
    for k, (network, result) in enumerate((one.network, one.result) for one in served):
        if is_first():
            save_network(run.networks / str(k), result.model, network.serves, config, run.schema)
        test = trainer.test(result, network.tasks)
        trivial |= trivial_levels(result.model.tasks, trainer.part(trainer.final_part, network.tasks))
        ours |= {name: test[name] for name in network.serves}
    means, validation = (means_of_several(trainer, served, places, part) for part in (trainer.final_part, "validation"))
    ours |= means
    entries = {
        task.name: task_entry(task, [served[k].result for k in places[task.name]], ours[task.name], places[task.name],
                              trivial[task.name], validation.get(task.name))
        for task in data.tasks
    }  # fmt: skip
    entries = add_further(trainer, models, places, entries)
    baselines: dict[str, Any] = {}
    if singles:
        baselines["single_task"] = {
            name: value
            for position, result in singles.items()
            for name, value in baseline(result, trainer.test(result, [position]), ours).items()
        }
    if joint is not None:
        baselines["all_in_one"] = baseline(joint, trainer.test(joint, range(len(data.tasks))), ours)
    if config.baselines:
        linear, note = linear_models(data.rows, trainer.final_part, data.tasks, config.seed)
        baselines |= {"linear": linear_baseline(linear, data.tasks, ours)} if linear else {}
        if note:
            trainer.display.say(note)
    levels = {name: number(trivial[name]) for name in entries}
    totals = totals_of(trainer, [one.result for one in served], entries, baselines, levels)
    totals["trainings"] = [one.network.training for one in served]
    results = {"tasks": entries, "baselines": baselines, "totals": totals}
    results = _with_folds(trainer, results, served, joint, singles)
    results["made_with"] = made_with(data.fingerprint, config.seed, run.decided)
    write_plots(trainer, models, places, results)
    if is_first():
        save_thresholds(run, moved)
        run.forget_unfinished()
        run.log.write("finish", seconds=results["totals"]["seconds"])
        write_json(run.results, results)
    return close(run, results)
