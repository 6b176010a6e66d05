"""What became of the tasks of a finished run when others were added: its networks, and every task before and after."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...config.run import frozen_whole
from ...files import sha256, write_json
from ...models import MultiTaskModel, take_over
from ...processes.collectives import is_first
from ...records.values import number as json_number
from ...task import Task
from ...training import TrainingResult
from ...training.evaluation import trivial_levels
from ..bundle import METADATA, WEIGHTS, Bundle, save_network, serving_places
from ..encoders import network_of
from ..further_metrics import add_further
from ..made_with import made_with
from ..plots import write_plots
from ..results import baseline, bounds, task_entry, totals_of
from ..resumed import close
from ..thresholds import decide_thresholds, describe, save_thresholds
from ..trainer import Trainer
from .addition import Addition
from .learning import level, measured

Outputs = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True)
class Kept:
    """A network of the new run.

    Attributes:
        model: The network.
        serves: The tasks that it predicts.
        training: Name of its training; None: as it was, and number ``old`` of the finished run.
        result: What its training gave.
        old: Where it comes from.
    """

    model: MultiTaskModel
    serves: tuple[str, ...]
    old: int
    training: str | None = None
    result: TrainingResult | None = None


def kept_networks(
    trainer: Trainer, addition: Addition, joins: Mapping[str, int], trained: Mapping[int, tuple[TrainingResult, str]]
) -> list[Kept]:
    """The networks of the new run: as they were, trained further, or new heads on a frozen encoder."""
    frozen, serves = frozen_whole(trainer.config), dict(addition.base.bundle.serves)
    found, beside = [], []
    for number, model in enumerate(addition.base.bundle.networks):
        own = [name for name in addition.names if number in serves.get(name, ())]
        if number not in trained:
            found.append(Kept(model, tuple(own), number))
            continue
        result, training = trained[number]
        learning = addition.learning(number, joins)
        if not frozen:
            found.append(Kept(result.model, tuple(n for n in addition.names if n in own or n in learning),
                              number, training, result))  # fmt: skip
            continue
        left = tuple(name for name in own if name not in learning)
        found += [Kept(model, left, number)] if left else []
        beside.append(Kept(_with_heads(trainer, addition, model, result, learning), tuple(learning), number,
                           training, result))  # fmt: skip
    return [*found, *beside]


def _with_heads(
    trainer: Trainer, addition: Addition, old: MultiTaskModel, heads: TrainingResult, names: list[str]
) -> MultiTaskModel:
    """A network of the old encoder and the heads that were trained on its features."""
    tasks = [trainer.data.tasks[position] for position in addition.positions(names)]
    model = network_of(trainer.config, trainer.data.schema, tasks, plain=True)
    take_over(model, heads.model, heads_alone=True)
    model.encoder.load_state_dict(old.encoder.state_dict())
    return model.eval()


def write_outcome(
    trainer: Trainer,
    addition: Addition,
    joins: Mapping[str, int],
    trained: Mapping[int, tuple[TrainingResult, str]],
    before: Outputs,
    singles: Mapping[str, TrainingResult],
) -> dict[str, Any]:
    """Read the test split, write networks, results and the report, and clean up."""
    run, data = trainer.run, trainer.data
    networks = kept_networks(trainer, addition, joins, trained)
    serves = serving_places(network.serves for network in networks)
    models = [network.model.cpu() for network in networks]
    moved = decide_thresholds(trainer, models, {name: serves[name] for name in trainer.config.targets})
    for line in describe(moved, data.tasks):
        trainer.display.say(line)
    bundle = Bundle(data.schema, tuple(models), serves)
    part = trainer.final_part
    after = {name: bundle.outputs(data.rows[name].inputs, len(data.rows[name])) for name in {"validation", part}}
    levels = trivial_levels(data.tasks, data.rows[part])
    entries: dict[str, Any] = {}
    for task in data.tasks:
        entries[task.name] = _entry(addition, task, networks, after, part, serves[task.name], levels[task.name])
    entries = add_further(trainer, models, serves, entries)
    ours = {name: measured(addition, part, name, after) for name in entries}
    baselines: dict[str, Any] = {"before": {
        name: {"validation": json_number(level(addition, "validation", name, before)),
               "test": json_number(level(addition, part, name, before)),
               "held": name not in addition.again,
               **agreement(data.tasks[position], before[part][name], after[part][name])}
        for name, position in zip(addition.names, range(len(addition.base.bundle.serves)), strict=False)
    }}  # fmt: skip
    if singles:
        baselines["single_task"] = {
            name: entry
            for name, result in singles.items()
            for name, entry in baseline(result, trainer.test(result, addition.positions([name])), ours).items()
        }
    results = [network.result for network in networks if network.result is not None]
    trivial = {name: json_number(value) for name, value in levels.items()}
    totals = totals_of(trainer, results, entries, baselines, trivial)
    totals |= {
        "networks": len(networks),
        "parameters": sum(p.numel() for network in networks for p in network.model.parameters()),
        "trainings": [network.training or f"as_before_{network.old}" for network in networks],
    }
    written = {"tasks": entries, "baselines": baselines, "totals": totals}
    written["made_with"] = made_with(data.fingerprint, trainer.config.seed, run.decided)
    write_plots(trainer, models, serves, written)
    if is_first():
        for place, network in enumerate(networks):
            _save(trainer, addition, place, network)
        members = [list(network.serves) for network in networks]
        first = {name: places[0] for name, places in serves.items()}
        write_json(run.selection, {"networks": members, "serves": first, "grouping": "from"})
        save_thresholds(run, moved)
        run.forget_unfinished()
        run.log.write("finish", seconds=totals["seconds"])
        write_json(run.results, written)
    return close(run, written)


def _entry(
    addition: Addition,
    task: Task,
    networks: Sequence[Kept],
    after: Outputs,
    part: str,
    places: Sequence[int],
    trivial: float,
) -> dict[str, Any]:
    """The task in ``results.json``."""
    test = measured(addition, part, task.name, after)
    here = json_number(level(addition, "validation", task.name, after))
    results = [networks[place].result for place in places]
    trained = [result for result in results if result is not None]
    if trained and results[0] is not None:
        mean = measured(addition, "validation", task.name, after) if len(places) > 1 else None
        found = task_entry(task, trained, test, places, trivial, mean)
        return found | ({} if found["validation"] is not None else {"kept": None})
    return {
        "kind": task.kind,
        "metric": task.metric,
        "direction": task.metric_definition.direction,
        "validation": here,
        "test": json_number(test.value),
        "interval": bounds(test),
        "trivial": json_number(trivial),
        "learned": True,
        "metrics": {task.metric: json_number(test.value)},
        "best_epoch": 0.0,
        "converged_epoch": 0.0,
        "peak": here,
        "kept": None if here is None else 1.0,
        "network": places[0],
        "networks": list(places),
        "weight": None,
    }


def agreement(task: Task, before: Tensor, after: Tensor) -> dict[str, float | None]:
    """How far predictions after are those before.

    Returns:
        ``agreement``: share of rows (multilabel: of labels) with the same class; of numbers the coefficient of
        determination. ``change``: mean absolute difference of probabilities; of numbers in standard deviations of the
        training labels.

    Example:
        >>> import torch
        >>> found = agreement(Task("a"), torch.tensor([-1.0, 2.0]), torch.tensor([1.0, 2.0]))
        >>> found["agreement"], round(found["change"], 3)
        (0.5, 0.231)
    """
    old, new = (task.definition.predict(outputs).double().cpu() for outputs in (before, after))
    change = float((old - new).abs().mean())
    return {"agreement": json_number(task.definition.agreement(old, new)), "change": json_number(change)}


def _save(trainer: Trainer, addition: Addition, place: int, network: Kept) -> None:
    """Write a network; one that is as it was has the very file that it had."""
    folder, run = trainer.run.networks / str(place), trainer.run
    if network.result is not None:
        save_network(folder, network.model, network.serves, trainer.config, run.schema)
        return
    source = addition.base.path / "networks" / str(network.old)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / WEIGHTS, folder / WEIGHTS)
    metadata = addition.base.metadata[network.old]
    write_json(folder / METADATA, {**metadata, "serves": list(network.serves), "schema_sha256": sha256(run.schema)})
