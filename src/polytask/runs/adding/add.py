"""``fit --from``: new targets learn from the networks of a finished run, whose tasks are held or left as they are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...balancing import BALANCERS
from ...config import Config
from ...config.run import frozen_whole
from ...display.display import Display
from ...errors import UserError
from ...files import read_json, write_json
from ...processes.collectives import is_first, wait_for_all
from ...records.folder import RunFolder, refuse_existing
from ...training import Parts, TrainingResult, check_training, check_trains
from ..decided import decisions
from ..encoders import network_of
from ..preparation.prepare import prepare
from ..resumed import AFTER_TRAINING, finished, nothing_lost, same_data
from ..trackers import make_trackers
from ..trainer import Trainer, make_balancer
from .addition import Addition
from .base import Base
from .learning import continue_network, features_of, plan, probe
from .outcome import write_outcome

#: What the run is based on.
FROM = "from.json"


def add_run(
    config: Config, out: Path, *, resume: bool, display: Display, final_part: str = "test", trust: bool = False
) -> dict[str, Any]:
    """Do everything that ``polytask fit --from`` does; arguments and result as for :func:`polytask.runs.fit_run`.

    Raises:
        UserError: If the input is wrong; nothing is written then.
    """
    base = Base.load(Path(str(config.from_run)), trust)
    config = base.adapted(config)
    if resume and (found := finished(RunFolder.open(out), config, display)):
        return found
    decided = decisions(config, out, resume)
    asked, config = config, decided.applied(config)
    addition = _checked(config, base, out, resume)
    trackers = make_trackers(config.report_to, out)
    wait_for_all()  # of several processes none writes before all have looked
    with decided.in_force(), RunFolder.locked(out):
        if not resume and is_first():
            RunFolder.create(out, asked, addition.data, asdict(decided))
            write_json(out / FROM, {"run": base.path.name, "fingerprint": base.fingerprint})
        wait_for_all()
        run = RunFolder.open(out)
        run.log.listeners += trackers
        settings = config.training().resolve(len(addition.data.rows["train"]))
        return _carry_out(Trainer(config, addition.data, run, display, settings, final_part), addition)


def _checked(config: Config, base: Base, out: Path, resume: bool) -> Addition:
    """The data, after everything that can be checked before anything is written."""
    balancer = make_balancer(config.balance)
    balancer.bind(config.targets)
    if resume:
        run = RunFolder.open(out)
        _same_base(run, base)
        data = prepare(config, run.split, base)
        same_data(run, config, data.fingerprint)
    else:
        if RunFolder.begun(out):
            refuse_existing(out)
        data = prepare(config, base=base)
    addition = Addition.of(base, data, config.targets)
    if frozen_whole(config):
        if BALANCERS["equal"] is not type(balancer):
            raise UserError(f"balance: {balancer.name} has no effect where the whole encoder is frozen; leave it out")
        return addition
    network = network_of(config, addition.data.schema, addition.data.tasks)
    Parts(network, config.training()).frozen.at(0)
    check_training(config.training(), balancer, network, [])
    check_trains(balancer, network, [])
    return addition


def _same_base(run: RunFolder, base: Base) -> None:
    file = run.path / FROM
    if not file.exists():
        raise UserError(f"{run.path}: this run was not begun with --from; resume it without, or choose another --out")
    if read_json(file).get("fingerprint") != base.fingerprint:
        raise UserError(f"from: {base.path} is another run than that with which {run.path} began; give that one")


def _carry_out(trainer: Trainer, addition: Addition) -> dict[str, Any]:
    """All trainings of the run, or what is left of them."""
    config, data, base = trainer.config, trainer.data, addition.base
    for line in data.describe():
        trainer.display.say(line)
    for warning in data.warnings:
        trainer.display.warn(warning)
    outputs = {part: base.bundle.outputs(rows.inputs, len(rows)) for part, rows in data.rows.items() if part != "train"}
    features = {number: features_of(addition, number) for number in base.candidates}
    found = {number: probe(trainer, addition, number, features[number]) for number in base.candidates}
    probes = {number: result for number, result in found.items() if result is not None}
    joins = plan(trainer, addition, probes)
    trained: dict[int, tuple[TrainingResult, str]] = {}
    for number in sorted({*joins.values(), *(n for name in addition.again for n in base.bundle.serves[name])}):
        learning = addition.learning(number, joins)
        if frozen_whole(config):
            trained[number] = probes[number], f"probe_{number}"
        else:
            result = continue_network(trainer, addition, number, learning, probes.get(number))
            trained[number] = result, f"network_{number}"
    singles = {}
    if config.baselines:
        for position in addition.positions(config.targets):
            name = f"single_task_{position}"
            singles[data.tasks[position].name] = trainer.train(
                name, f"single_task.{data.tasks[position].name}", [position]
            )
    with nothing_lost(AFTER_TRAINING.format(trainer.run.path)):
        return write_outcome(trainer, addition, joins, trained, outputs, singles)
