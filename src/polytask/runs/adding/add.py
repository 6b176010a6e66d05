"""``fit --from``: new targets learn from the networks of a finished run, whose tasks are held or left as they are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ...balancing import BALANCERS, Balancer
from ...config import Config
from ...config.run import frozen_whole
from ...errors import UserError
from ...files import read_json, write_json
from ...processes.collectives import is_first
from ...records.folder import RunFolder
from ...training import Parts, TrainingResult, check_training, check_trains
from ..bundle import serving_places
from ..encoders import network_of
from ..outcome import RunOutcome
from ..preparation.prepare import prepare
from ..preparation.prepared import Prepared
from ..results import Delivered
from ..trainer import Trainer
from ..trainings import train_single
from ..variant import Variant
from .addition import Addition
from .base import Base
from .before import before
from .learning import continue_network, features_of, plan, probe
from .networks import delivered

#: What the run is based on.
FROM = "from.json"


class AddingRun(Variant):
    """A run whose tasks join the networks of a finished one."""

    def __init__(self, base: Base) -> None:
        self.base = base

    @classmethod
    def load(cls, path: Path, trust: bool = False) -> AddingRun:
        """On the run in a folder; see :meth:`~polytask.runs.adding.base.Base.load`."""
        return cls(Base.load(path, trust))

    def adapted(self, config: Config) -> Config:
        return self.base.adapted(config)

    def prepare(self, config: Config, run: RunFolder | None) -> Prepared:
        if run is not None:
            self._check_same(run)
        return prepare(config, None if run is None else run.split, self.base)

    def _check_same(self, run: RunFolder) -> None:
        file = run.path / FROM
        if not file.exists():
            raise UserError(f"{run.path}: this run was not begun with --from; resume it without, or choose another "
                            "--out")  # fmt: skip
        if read_json(file).get("fingerprint") != self.base.fingerprint:
            raise UserError(f"from: {self.base.path} is not the run with which {run.path} began; give that "
                            "one")  # fmt: skip

    def check(self, config: Config, data: Prepared, balancer: Balancer) -> None:
        if frozen_whole(config):
            if BALANCERS["equal"] is not type(balancer):
                raise UserError(
                    f"balance: {balancer.name} has no effect where the whole encoder is frozen; leave it out"
                )
            return
        network = network_of(config, data.schema, data.tasks)
        Parts(network, config.training()).frozen.at(0)
        check_training(config.training(), balancer, network, [])
        check_trains(balancer, network, [])

    def files(self) -> dict[str, Any]:
        return {FROM: {"run": self.base.path.name, "fingerprint": self.base.fingerprint}}

    def train(self, trainer: Trainer) -> RunOutcome:
        addition = Addition.of(self.base, trainer.data, trainer.config.targets)
        outputs = addition.outputs()  # before anything is trained: trainings may change the networks
        joins, trained = _trained(trainer, addition)
        wanted = addition.positions(trainer.config.targets) if trainer.config.baselines else []
        singles = {position: train_single(trainer, position) for position in wanted}
        networks = delivered(trainer, addition, joins, trained)
        _write_selection(trainer.run, networks)
        return RunOutcome(networks, partial(before, addition, outputs), singles=singles)


def _trained(trainer: Trainer, addition: Addition) -> tuple[dict[str, int], dict[int, tuple[TrainingResult, str]]]:
    """The network that each new target joins, and by network its training and that one's name."""
    base, frozen = addition.base, frozen_whole(trainer.config)
    features = {number: features_of(addition, number) for number in base.candidates}
    found = {number: probe(trainer, addition, number, features[number]) for number in base.candidates}
    probes = {number: result for number, result in found.items() if result is not None}
    joins = plan(trainer, addition, probes)
    trained = {}
    for number in sorted({*joins.values(), *(n for name in addition.again for n in base.bundle.serves[name])}):
        if frozen:
            trained[number] = probes[number], f"probe_{number}"
        else:
            learning = addition.learning(number, joins)
            result = continue_network(trainer, addition, number, learning, probes.get(number))
            trained[number] = result, f"network_{number}"
    return joins, trained


def _write_selection(run: RunFolder, networks: list[Delivered]) -> None:
    if is_first():
        serves = serving_places(network.serves for network in networks)
        first = {name: places[0] for name, places in serves.items()}
        members = [list(network.serves) for network in networks]
        write_json(run.selection, {"networks": members, "serves": first, "grouping": "from"})
