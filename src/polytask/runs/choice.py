"""Which networks a run trains and keeps."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from ..files import read_json, write_json
from ..grouping import Affinity, Selection, choose_budget, score_curve, select_networks
from ..training import TrainingResult
from ..training.callbacks import AffinityProbe, affinity_from_state
from ..training.evaluation import trivial_levels
from .trainer import Trainer

#: The automatic choice looks at budgets up to this many networks.
MOST_AUTOMATIC = 5


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


def one_network(trainer: Trainer, training: str = "network_0") -> list[Network]:
    """One network for all tasks."""
    names = tuple(task.name for task in trainer.data.tasks)
    return [Network(training, tuple(range(len(names))), names)]


def plan_networks(trainer: Trainer, joint: TrainingResult | None) -> list[Network]:
    """The networks to train: from the affinity that the joint training measured, if it did."""
    config, run = trainer.config, trainer.run
    if config.networks == "single_task":
        return [Network(f"network_{k}", (k,), (task.name,)) for k, task in enumerate(trainer.data.tasks)]
    if joint is None or AffinityProbe.name not in joint.callbacks:
        return one_network(trainer)
    if run.selection.exists():  # chosen before an interruption; a search under a time limit need not end equal
        stored = read_json(run.selection)
        return _networks(trainer, Selection.from_json_dict(stored.get("planned", stored), str(run.selection)))
    names = [task.name for task in trainer.data.tasks]
    affinity = affinity_from_state(joint.callbacks[AffinityProbe.name], names)
    affinity.save(run.affinity)
    selection, curve = choose(affinity, config.networks)
    write_json(run.selection, selection.to_json_dict() | {"curve": curve})
    shown = "; ".join(" + ".join(network) for network in selection.networks)
    trainer.display.say(f"networks ({len(selection.networks)}): {shown}")
    return _networks(trainer, selection)


def _networks(trainer: Trainer, selection: Selection) -> list[Network]:
    names = [task.name for task in trainer.data.tasks]
    return [
        Network(
            f"network_{k}",
            tuple(position for position, name in enumerate(names) if name in network),
            tuple(name for name in names if selection.serves[name] == k),
        )
        for k, network in enumerate(selection.networks)
    ]


def choose(affinity: Affinity, networks: int | str) -> tuple[Selection, list[dict[str, float]]]:
    """The networks for a budget, or for the knee of the score curve with ``auto``; and the curve."""
    if networks != "auto":
        return select_networks(affinity, int(networks)), []
    curve = score_curve(affinity, min(len(affinity.tasks), MOST_AUTOMATIC))
    points = [{"networks": budget, "score": selection.score} for budget, selection in enumerate(curve, 1)]
    return curve[choose_budget(curve) - 1], points


def grouping_pays(grouped: dict[str, float], together: dict[str, float]) -> bool:
    """Whether several networks are worth it: their mean skill is higher by more than a standard error over the tasks.

    Args:
        grouped: Skill of every task on validation in the several networks.
        together: Skill of every task on validation in one network for all.

    Example:
        >>> grouping_pays({"a": 0.9, "b": 0.8, "c": 0.7}, {"a": 0.8, "b": 0.72, "c": 0.6})
        True
        >>> grouping_pays({"a": 0.9, "b": 0.7, "c": 0.7}, {"a": 0.8, "b": 0.8, "c": 0.7})
        False
    """
    gains = [grouped[name] - together[name] for name in grouped]
    error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    return statistics.fmean(gains) > error


def validation_skills(trainer: Trainer, networks: list[Network], results: list[TrainingResult]) -> dict[str, float]:
    """Skill of every task on validation in the network that serves it, at least -1."""
    skills = {}
    for network, result in zip(networks, results, strict=True):
        levels = trivial_levels(result.model.tasks, trainer.part("validation", network.tasks))
        for task in result.model.tasks:
            if task.name in network.serves:
                value = result.tasks[task.name].validation
                # Bounded below: of networks that are worse than useless for a task, none shall decide for all others.
                skills[task.name] = max(-1.0, task.metric_definition.skill(value, levels[task.name]))
    return skills


def record_kept(trainer: Trainer, kept: list[Network], compared: dict[str, Any]) -> None:
    """Write into ``selection.json`` which networks were kept, and what was compared."""
    content = read_json(trainer.run.selection)
    planned = content.get("planned", content)
    names = [task.name for task in trainer.data.tasks]
    if len(kept) == 1:
        alone = select_networks(Affinity.load(trainer.run.affinity), 1).to_json_dict()
        alone |= {"networks": [names], "serves": dict.fromkeys(names, 0)}
        content = alone | {"curve": planned.get("curve", []), "planned": planned}
    write_json(trainer.run.selection, content | {"compared": compared})
