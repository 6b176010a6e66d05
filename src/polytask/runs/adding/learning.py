"""How new targets find their network, and how it learns them while it keeps the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...config.run import frozen_whole
from ...data.rows import map_inputs, rows_at_once
from ...models import MultiTaskModel, take_over
from ...training import Callback, HeldTasks, TrainingResult
from ...training.evaluation import eval_mode, task_metric, task_targets, trivial_levels
from ..encoders import network_of
from ..preparation.prepared import labelled_rows
from ..trainer import Trainer, make_balancer
from .addition import Addition


class Features(nn.Identity):
    """Stands for an encoder whose features are known."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_features = width


def features_of(addition: Addition, number: int) -> dict[str, Tensor]:
    """``[n, D]`` features of a network for the rows of every part, in evaluation mode."""
    model = addition.base.bundle.networks[number]
    found = {}
    for part, rows in addition.data.rows.items():
        step, pieces = rows_at_once(rows.inputs), []
        with eval_mode(model):
            for start in range(0, len(rows), step):
                ids = slice(start, start + step)
                pieces.append(model.features(map_inputs(rows.inputs, lambda leaf, ids=ids: leaf[ids])))
        found[part] = torch.cat(pieces)
    return found


def probe(trainer: Trainer, addition: Addition, number: int, features: Mapping[str, Tensor]) -> TrainingResult | None:
    """Heads alone, on the features of a network as they are: for the new targets, and for its own that learn again.

    That is how well the network suits a target; with the whole encoder frozen it is all that is trained. The heads are
    also where further training begins, so that a fresh head does not spoil the features: A. Kumar et al., "Fine-Tuning
    can Distort Pretrained Features and Underperform Out-of-Distribution", ICLR 2022, arXiv:2202.10054.
    """
    base = addition.base
    asked = trainer.config.into
    new = addition.new if asked in (None, number) else ()
    names = [*(name for name in addition.again if number in base.bundle.serves[name]), *new]
    if not names:
        return None
    positions = addition.positions(names)
    tasks = [trainer.data.tasks[position] for position in positions]
    with torch.random.fork_rng([]):
        torch.manual_seed(trainer.config.seed)
        model = MultiTaskModel(Features(features["train"].shape[-1]), tasks)
    take_over(model, base.bundle.networks[number], fresh=addition.new, heads_alone=True)
    parts = {
        part: labelled_rows(replace(trainer.data.rows[part], inputs=features[part]), positions)
        for part in ("train", "validation")
    }
    heads = replace(trainer, settings=trainer.settings.model_copy(update={"freeze": (), "parts": {}}))
    callbacks = trainer.convergence(names, None, None) if frozen_whole(trainer.config) else []
    return heads.carry_out(f"probe_{number}", f"probe_{number}", model, parts, callbacks=callbacks)


def plan(trainer: Trainer, addition: Addition, probes: Mapping[int, TrainingResult]) -> dict[str, int]:
    """The network that each new target joins: the one asked for, or the one whose features suit it best."""
    joins = {}
    for name in addition.new:
        position = addition.names.index(name)
        task = trainer.data.tasks[position]
        trivial = trivial_levels([task], labelled_rows(trainer.data.rows["validation"], [position]))[name]
        skills = {
            number: task.metric_definition.skill(result.tasks[name].validation, trivial)
            for number, result in probes.items()
            if name in result.tasks
        }
        joins[name] = max(skills, key=lambda number: (skills[number], -number))
        served = ", ".join(addition.base.served(joins[name]))
        why = ""
        if len(skills) > 1:
            others = ", ".join(f"{number}: {skill:.4f}" for number, skill in skills.items())
            why = f"; skill on validation of its head on the features of each network: {others}"
        trainer.display.say(f"{name} joins network {joins[name]} ({served}){why}")
    return joins


def continue_network(
    trainer: Trainer,
    addition: Addition,
    number: int,
    learning: Sequence[str],
    probed: TrainingResult | None,
) -> TrainingResult:
    """Train a network further; what it serves and does not learn is held.

    Args:
        trainer: The new run.
        addition: What is added.
        number: The network's.
        learning: Tasks that learn from labels.
        probed: Heads of new targets to begin with.
    """
    config, old = trainer.config, addition.base.bundle.networks[number]
    held = [name for name in addition.base.served(number) if name not in learning]
    positions = addition.positions([name for name in addition.names if name in held or name in learning])
    tasks = [trainer.data.tasks[position] for position in positions]
    model = network_of(config, trainer.data.schema, tasks, plain=True)
    take_over(model, old, fresh=addition.new)
    if probed is not None:
        take_over(model, probed.model, fresh=[*held, *addition.again], heads_alone=True)
    callbacks: list[Callback] = []
    if held:
        parts = {part: trainer.data.rows[part].only_tasks(positions) for part in ("train", "validation")}
        bundle = addition.base.bundle
        outputs = {part: bundle.outputs_of(number, rows.inputs, len(rows)) for part, rows in parts.items()}
        levels = {name: level(addition, "validation", name, outputs) for name in held}
        teachers = {name: outputs["train"][name] for name in held}
        options = {key: getattr(config.convergence, key) for key in ("temperature", "kd_weight", "soft_loss")}
        callbacks.append(HeldTasks(teachers, levels, **options))
    else:
        parts = {part: labelled_rows(trainer.data.rows[part], positions) for part in ("train", "validation")}
    callbacks += trainer.convergence(learning, None, None)
    title = f"network_{number}"
    return trainer.carry_out(title, title, model, parts, balancer=make_balancer(config.balance), callbacks=callbacks)


def level(addition: Addition, part: str, name: str, outputs: Mapping[str, Mapping[str, Tensor]]) -> float:
    """Metric of given outputs of a task on the labelled rows of a part; NaN without labels."""
    position = addition.names.index(name)
    task, (ids, targets) = addition.data.tasks[position], task_targets(addition.data.rows[part], position)
    return task_metric(task, outputs[part][name][ids], targets)
