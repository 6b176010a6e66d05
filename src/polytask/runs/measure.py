"""Task affinity of a table, without a run folder."""

from __future__ import annotations

from ..config import Config
from ..display.display import Display
from ..errors import UserError
from ..grouping.affinity_matrix import Affinity
from ..training import measure_affinity
from .encoders import network_of
from .preparation.prepare import prepare
from .trainer import make_balancer


def measure_table(config: Config, display: Display) -> Affinity:
    """Train one network for all tasks of a table and measure their affinity on the way.

    Raises:
        UserError: If the input is wrong or there is only one task.
    """
    if len(config.targets) < 2:
        raise UserError(f"targets: affinity is between tasks, found only {config.targets[0]!r}; give at least two")
    if config.from_run is not None:
        raise UserError("from: has an effect only with `polytask fit`; leave it out")
    if config.folds is not None:
        raise UserError("folds: has an effect only with `polytask fit`; leave it out")
    data = prepare(config)
    for line in data.describe():
        display.say(line)
    for warning in data.warnings:
        display.warn(warning)
    network = network_of(config, data.schema, data.tasks)
    with display.training("affinity") as progress:
        return measure_affinity(
            network,
            train=data.rows["train"],
            validation=data.rows["validation"],
            **config.affinity.options(),
            balancer=make_balancer(config.balance),
            settings=config.training(),
            seed=config.seed,
            progress=progress,
        )
