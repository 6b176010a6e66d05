"""A run from scratch: the joint training, single-task models, networks, and the choice of what is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..balancing import Balancer
from ..config import Config
from ..config.learning import unused_entries
from ..display.display import Display
from ..distillation import check_tasks
from ..errors import raise_all
from ..grouping.strategies import GROUPINGS
from ..records.folder import RunFolder
from ..training import Parts, check_training, check_trains
from ..training.mixture import make_stream
from ..training.optimizer import make_optimizer
from ..uncertainty import Estimate
from .candidates.make import check_candidates, make_ensemble, wanted
from .choice import one_network, plan_networks, record_kept
from .distill import without_teachers
from .encoders import network_of
from .kept_teachers import check_kept, keep, take_kept
from .linear import linear_models
from .outcome import RunOutcome
from .plan import Planned, plan_run
from .preparation.prepare import prepare
from .preparation.prepared import Prepared
from .results import Delivered, baseline
from .served import Trained, choose_served
from .side_by_side import train_ahead
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
from .variant import Variant


class NewRun(Variant):
    """A run from scratch.

    Affinity is measured in the very training that is the all-in-one baseline: probes leave it untouched.
    """

    def prepare(self, config: Config, run: RunFolder | None) -> Prepared:
        return prepare(config, None if run is None else run.split)

    def check(self, config: Config, data: Prepared, balancer: Balancer) -> None:
        kinds = GROUPINGS[config.grouping].kinds
        named = f"grouping: {config.grouping} is for {' and '.join(kinds)} targets"
        raise_all([
            f"{named}, found {task.kind} {task.name!r}; use tag"
            for task in data.tasks
            if kinds and task.kind not in kinds
        ])  # fmt: skip
        check_candidates(data, config.candidates, config.ensemble)
        _made_once(config, data, balancer)
        check_kept(config, data)

    def plan(self, config: Config, data: Prepared, display: Display, run: RunFolder | None, spent: float) -> Planned:
        return plan_run(config, data, display, run, spent)

    def train(self, trainer: Trainer) -> RunOutcome:
        config = trainer.config
        everyone = range(len(trainer.data.tasks))
        compared = compared_alone(config)
        _say_compared(trainer, compared)
        together = [Work("all_in_one", tuple(everyone))] if joint_wanted(config) else []
        train_ahead(trainer, [*together, *_alone(compared)])
        joint = train_joint(trainer)
        singles = {position: train_single(trainer, position) for position in compared}
        networks = plan_networks(trainer, joint, singles)
        if joint is not None and config.start == "measured":
            start = f"from the weights of the training for all tasks (epoch {joint.epoch:g})"
            trainer.display.say(f"networks start {start}")
        _say_own_settings(trainer, networks)
        chosen = config.networks == "auto" and len(networks) > 1 and GROUPINGS[config.grouping].chooses
        if chosen and config.max_cost is not None and config.max_cost > len(networks) + len(everyone):
            compared = list(everyone)
        train_ahead(trainer, _alone([position for position in compared if position not in singles]))
        singles = {position: singles.get(position) or train_single(trainer, position) for position in compared}
        keep(config, trainer.data, trainer.run, compared)
        alternative = one_network(trainer, ALTERNATIVE) if chosen else []
        works = [network.work for network in [*networks, *alternative]]
        trainer.display.expect(int(joint is not None) + len(singles) + len(works))
        train_ahead(trainer, works, joint=joint is not None, singles=compared)
        asked, other = [
            [Trained(network, train_network(trainer, network, joint, singles)) for network in plan]
            for plan in (networks, alternative)
        ]
        served = choose_served(trainer, asked, other, joint, singles)
        searched = trainer.final_part != "test"  # which judges by rows that models of an ensemble have learned from
        ensemble = make_ensemble(trainer, served) if wanted(config) and not searched else None
        if ensemble is not None:
            served = ensemble.served
            record_kept(trainer, [one.network for one in served], ensemble.compared, [one.network for one in asked])
        delivered = [Delivered(one.result.model, one.network.serves, one.network.training, one.result)
                     for one in served]  # fmt: skip
        beside = (joint, singles) if config.baselines else (None, {})
        return RunOutcome(delivered, _linear, *beside, ensemble)


def _alone(positions: Sequence[int]) -> list[Work]:
    """Single-task models."""
    return [Work(f"single_task_{position}", (position,)) for position in positions]


def _say_compared(trainer: Trainer, compared: Sequence[int]) -> None:
    """Which single-task models there are already, and that only some tasks have one."""
    config, tasks = trainer.config, len(trainer.data.tasks)
    if taken := take_kept(config, trainer.run, tasks):
        trainer.display.say(f"{taken} single-task models taken from {config.teachers}")
    if 0 < len(compared) < tasks:
        trainer.display.say(
            f"single-task models: of {len(compared)} of the {tasks:,} targets, a "
            f"random subset (`--set run.max_baselines={tasks}` trains all, `--no-baselines` none)"
        )


def _say_own_settings(trainer: Trainer, networks: list[Network]) -> None:
    """Which networks have separate settings, and which of these settings nobody has."""
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


def _linear(trainer: Trainer, networks: Sequence[Delivered], ours: Mapping[str, Estimate]) -> dict[str, Any]:
    """The baseline of linear models."""
    if not trainer.config.baselines:
        return {}
    data = trainer.data
    found, note = linear_models(data.rows, trainer.final_part, data.tasks, trainer.config.seed)
    if note:
        trainer.display.say(note)
    return {"linear": baseline(found, data.tasks, ours)} if found else {}
