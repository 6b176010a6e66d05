"""What a run trains, and how: each of its trainings is a function of the run and of trainings before it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..balancing.make import balance_of
from ..config import Config
from ..grouping import Affinity, select_networks
from ..grouping.confidence import measured_enough
from ..grouping.strategies import GROUPINGS
from ..task.order import task_order
from ..training import Callback, Parts, TrainingResult, only_parts_of
from ..training.callbacks import AffinityProbe, DataMaps
from ..training.mixture import make_stream
from ..training.optimizer import make_optimizer
from .distill import distillation, needs_teachers
from .encoders import network_of
from .preparation.prepared import Prepared
from .trainer import Trainer, make_balancer

#: What a grouping strategy may need of a training for all tasks.
JOINT_NEEDS = ("affinity", "joint", "data_maps")
#: The automatic choice looks at budgets up to this many networks.
MOST_AUTOMATIC = 5


@dataclass(frozen=True)
class Work:
    """A training, by what tells another process which one.

    Attributes:
        training: Its name; without numbers at the end, its kind.
        positions: Its tasks.
    """

    training: str
    positions: tuple[int, ...]

    @property
    def kind(self) -> str:
        """What it is for.

        Example:
            >>> Work("subset_0_2", (0, 2)).kind
            'subset'
        """
        return re.sub(r"(_\d+)+$", "", self.training)


@dataclass(frozen=True)
class Network:
    """One network of a run.

    Attributes:
        training: Name of its training.
        tasks: Positions of the tasks that it is trained on.
        serves: Names of the tasks that it predicts.
    """

    training: str
    tasks: tuple[int, ...]
    serves: tuple[str, ...]

    @property
    def work(self) -> Work:
        """Its training."""
        return Work(self.training, self.tasks)


#: The training of one network for all that ``auto`` compares with; it keeps the run's settings.
ALTERNATIVE = "all_in_one_network"


def train_joint(trainer: Trainer) -> TrainingResult | None:
    """The all-in-one baseline, in which affinity is measured; None if it is not wanted."""
    if not joint_wanted(trainer.config):
        return None
    everyone = range(len(trainer.data.tasks))
    return trainer.train("all_in_one", "all_in_one", everyone, callbacks=joint_probes(trainer.config, len(everyone)))


def train_single(trainer: Trainer, position: int) -> TrainingResult:
    """The single-task model of one task."""
    return trainer.train(f"single_task_{position}", f"single_task.{trainer.data.tasks[position].name}", [position])


def train_subset(trainer: Trainer, work: Work) -> TrainingResult:
    """A network whose only purpose is to know how good it is."""
    return trainer.train(work.training, work.training, work.positions)


def train_network(
    trainer: Trainer, network: Network, joint: TrainingResult | None, singles: Mapping[int, TrainingResult]
) -> TrainingResult:
    """A network of the run, as configured."""
    own = trainer if network.training == ALTERNATIVE else trainer.for_network(network.tasks)
    names = [trainer.data.tasks[position].name for position in network.tasks]
    return own.train(
        network.training,
        network.training,
        network.tasks,
        balancer=make_balancer(balance_of(own.config.balance, names, own.config.targets)),
        plain=False,
        callbacks=[*distillation(own, network.tasks, singles), *_convergence(own, network.tasks, joint, singles)],
        start=joint.model if joint is not None and own.config.start == "measured" else None,
    )


def joint_wanted(config: Config) -> bool:
    """Whether a network for all tasks is trained: as a baseline, or for the grouping strategy."""
    return config.baselines or not set(JOINT_NEEDS).isdisjoint(_needs(config))


def singles_wanted(config: Config) -> int:
    """How many single-task models are trained: all for teachers, some to compare with where there are many targets."""
    if needs_teachers(config):
        return len(config.targets)
    return min(len(config.targets), config.max_baselines) if config.baselines else 0


def compared_alone(config: Config) -> list[int]:
    """Positions of the tasks that have a single-task model; where these are not all, drawn by the seed."""
    tasks = len(config.targets)
    drawn = np.random.default_rng(config.seed).permutation(tasks)[: singles_wanted(config)]
    return sorted(drawn.tolist())


def check_order(config: Config) -> None:
    """Raise if the order of sequential convergence looks at trainings that the run does not have."""
    orders = {config.for_network(own.tasks).sequential.order for own in config.network_settings}
    joint, alone = joint_wanted(config), singles_wanted(config) >= len(config.targets)
    for order in {config.sequential.order, *orders}:
        done = dict.fromkeys(config.targets, 0.0) if joint else None
        task_order(
            order,
            config.targets,
            labels=dict.fromkeys(config.targets, 1),
            best_epochs=done,
            gaps=done if alone else None,
        )


def check_choice(config: Config, data: Prepared) -> None:
    """Raise where networks cannot be chosen or measured as configured; nothing is trained for it.

    Raises:
        UserError: No networks can serve all tasks under the constraints, or a probe cannot work on the model.
    """
    names = tuple(task.name for task in data.tasks)
    if probes := joint_probes(config, len(names)):
        _check_probes(config, data, probes)
    if constraints(config):
        nothing_known = Affinity(names, np.zeros((len(names), len(names))))
        select_networks(nothing_known, budgets(config, len(names))[-1], **constraints(config))


def _check_probes(config: Config, data: Prepared, probes: Sequence[Callback]) -> None:
    """Raise if the probes cannot measure the first step of the joint training, which is made for it and not taken."""
    rows = data.rows["train"]
    model = network_of(config, data.schema, data.tasks, plain=True)
    settings = only_parts_of(model, config.training().resolve(len(rows)))
    parts = Parts(model, settings)
    parts.frozen.at(0)
    optimizer = make_optimizer(parts.for_optimizer(), settings)
    first = rows[make_stream(rows, None, settings, config.seed).ids(0)]
    for probe in probes:
        probe.check(model)
        if isinstance(probe, AffinityProbe):
            probe.check_step(model, optimizer, first.inputs, settings)


def joint_probes(config: Config, tasks: int) -> list[Callback]:
    """What the joint training of this many tasks has to measure for the grouping strategy."""
    if "data_maps" in _needs(config):
        return [DataMaps()]
    if "affinity" not in _needs(config):
        return []
    estimator = GROUPINGS[config.grouping].estimator
    options = config.affinity.options() | ({"estimator": estimator} if estimator else {})
    if config.affinity.stop == "confident":
        options["enough"] = partial(measured_enough, budgets=budgets(config, tasks), **constraints(config))
    return [AffinityProbe(**options)]


def _needs(config: Config) -> tuple[str, ...]:
    """What the grouping strategy needs, if networks are chosen at all."""
    chosen = config.networks not in (1, "single_task") and len(config.targets) > 1
    return GROUPINGS[config.grouping].needs if chosen else ()


def budgets(config: Config, tasks: int) -> Sequence[int]:
    """Numbers of networks to propose for."""
    if config.networks != "auto":
        return [min(int(config.networks), tasks)]
    most = MOST_AUTOMATIC if config.max_cost is None else min(MOST_AUTOMATIC, config.max_cost - 1)
    return range(1, max(1, min(tasks, most)) + 1)


def constraints(config: Config) -> dict[str, Any]:
    """What the networks are to be like."""
    return {key: getattr(config, key) for key in GROUPINGS[config.grouping].heeds if getattr(config, key)}


def _convergence(
    trainer: Trainer, group: Sequence[int], joint: TrainingResult | None, singles: Mapping[int, TrainingResult]
) -> list[Callback]:
    """Convergence of a network, with what the plain trainings have shown about its tasks."""
    names = [trainer.data.tasks[position].name for position in group]
    best_epochs = gaps = None
    if joint is not None:
        best_epochs = {name: joint.tasks[name].best_epoch for name in names}
    if joint is not None and singles.keys() >= set(group):
        gaps = {}
        for position in group:
            task, single = trainer.data.tasks[position], singles[position]
            sign = task.metric_definition.sign
            alone, together = single.tasks[task.name].validation, joint.tasks[task.name].validation
            gaps[task.name] = sign * (alone - together) / max(abs(alone), 1e-12)
    return trainer.convergence(names, best_epochs, gaps)
