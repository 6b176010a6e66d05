"""Which networks a run trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..files import read_json, write_json
from ..grouping import Affinity, Selection, choose_budget
from ..grouping.stability import Stability, selection_stability
from ..grouping.strategies import GROUPINGS, Context, Joint
from ..grouping.strategies.by_affinity import MANY, MOST_SECONDS
from ..processes.collectives import is_first, wait_for_all, world_size
from ..training import TrainingResult
from ..training.callbacks import AffinityProbe, DataMaps, affinity_from_state, maps_from_state
from ..training.evaluation import trivial_levels
from .side_by_side import train_ahead
from .trainer import Trainer
from .trainings import Network, Work, budgets, constraints, train_subset


def one_network(trainer: Trainer, training: str = "network_0") -> list[Network]:
    """One network for all tasks."""
    names = tuple(task.name for task in trainer.data.tasks)
    return [Network(training, tuple(range(len(names))), names)]


def plan_networks(
    trainer: Trainer, joint: TrainingResult | None, singles: Mapping[int, TrainingResult]
) -> list[Network]:
    """The networks to train, as the run's grouping strategy proposes them, from what was trained before."""
    config, run = trainer.config, trainer.run
    if config.networks == "single_task":
        return [Network(f"network_{k}", (k,), (task.name,)) for k, task in enumerate(trainer.data.tasks)]
    if config.networks == 1 or len(trainer.data.tasks) == 1:
        return one_network(trainer)
    if run.selection.exists():  # chosen before an interruption; a search under a time limit need not end equal
        stored = read_json(run.selection)
        return networks_of(trainer, Selection.from_json_dict(stored.get("planned", stored), str(run.selection)))
    context = _context(trainer, joint, singles)
    selections = GROUPINGS[config.grouping].propose(context)
    selection = selections[choose_budget(selections) - 1]
    first = context.budgets[-1] - len(selections) + 1
    points = [{"networks": number, "score": found.score} for number, found in enumerate(selections, first)]
    content = selection.to_json_dict() | {"grouping": config.grouping, "curve": points if len(points) > 1 else []}
    stability = _stability(context, selection)
    if stability is not None:
        content["stability"] = stability.to_json_dict()
    if is_first():
        write_json(run.selection, content)
    wait_for_all()
    if world_size() > 1:  # a search under a time limit need not end equal
        selection = Selection.from_json_dict(read_json(run.selection), str(run.selection))
    trainer.display.say(_said_of_networks(selection.networks))
    if stability is not None and len(selection.networks) > 1:
        trainer.display.say(stability.sentence())
    return networks_of(trainer, selection)


def _said_of_networks(networks: Sequence[Sequence[str]], most: int = 12) -> str:
    """The tasks of every network, of many the first.

    Example:
        >>> _said_of_networks([["a", "b"], ["b", "c", "d"]], 2)
        'networks (2): a + b; b + c + 1 more'
    """
    more = [f" + {len(network) - most:,} more" if len(network) > most else "" for network in networks]
    shown = "; ".join(" + ".join(network[:most]) + rest for network, rest in zip(networks, more, strict=True))
    return f"networks ({len(networks)}): {shown}"


def _context(trainer: Trainer, joint: TrainingResult | None, singles: Mapping[int, TrainingResult]) -> Context:
    """What the grouping strategy may ask for."""
    config, names = trainer.config, tuple(task.name for task in trainer.data.tasks)
    affinity = None
    if joint is not None and AffinityProbe.name in joint.callbacks:
        affinity = affinity_from_state(joint.callbacks[AffinityProbe.name], list(names))
        if is_first():
            affinity.save(trainer.run.affinity)
        if config.affinity.stop == "confident":
            trainer.display.say(_said_of_stop(affinity.meta["stop"]))

    trained = maps = None
    if joint is not None:
        trained = Joint(joint.model, trainer.data.rows["train"], trainer.data.rows["validation"])
    if joint is not None and DataMaps.name in joint.callbacks:
        maps = maps_from_state(joint.callbacks[DataMaps.name])

    def work(tasks: tuple[str, ...]) -> Work:
        positions = tuple(names.index(task) for task in tasks)
        return Work("subset_" + "_".join(map(str, positions)), positions)

    def train(tasks: tuple[str, ...]) -> Mapping[str, float]:
        return skills(trainer, train_subset(trainer, work(tasks)), work(tasks).positions)

    known: dict[tuple[str, ...], Mapping[str, float]] = {}
    known |= {(names[position],): skills(trainer, result, [position]) for position, result in singles.items()}
    if joint is not None:
        known[names] = skills(trainer, joint, range(len(names)))

    def ahead(subsets: Sequence[tuple[str, ...]]) -> None:
        train_ahead(trainer, [work(tasks) for tasks in subsets])

    return Context(
        names,
        budgets(config, len(names)),
        affinity,
        train,
        config.groups,
        config.seed,
        constraints(config),
        trained,
        maps,
        known,
        ahead,
    )


def skills(trainer: Trainer, result: TrainingResult, positions: Sequence[int]) -> dict[str, float]:
    """Skill of every task of a network on validation, at least -1.

    It is bounded below: of networks that are worse than useless for a task, none shall decide for all others.
    """
    levels = trivial_levels(result.model.tasks, trainer.part("validation", positions))
    return {
        task.name: max(-1.0, task.metric_definition.skill(result.tasks[task.name].validation, levels[task.name]))
        for task in result.model.tasks
    }


def _said_of_stop(stop: int | str) -> str:
    if stop == "confident":
        return "affinity: never stable enough for the choice, so probing continued to the end"
    return f"affinity: stable enough for the choice at step {stop}; not probed after it"


def _stability(context: Context, selection: Selection) -> Stability | None:
    """How stable the choice is, where its affinity was measured over some time."""
    if context.affinity is None:
        return None
    return selection_stability(
        context.affinity,
        selection,
        len(selection.networks),
        seed=context.seed,
        seconds=MOST_SECONDS if len(context.tasks) > MANY else None,
        **context.constraints,
    )


def networks_of(trainer: Trainer, selection: Selection) -> list[Network]:
    """The networks of a selection."""
    names = [task.name for task in trainer.data.tasks]
    return [
        Network(
            f"network_{k}",
            tuple(position for position, name in enumerate(names) if name in network),
            tuple(name for name in names if selection.serves[name] == k),
        )
        for k, network in enumerate(selection.networks)
    ]


def record_kept(trainer: Trainer, kept: list[Network], compared: dict[str, Any], asked: list[Network]) -> None:
    """Write into ``selection.json`` which networks were kept, and what was compared.

    The score of the kept networks is that of their affinities (0 for a task alone, and without affinities). Where
    nothing was chosen the file is written only if other networks than those asked for are kept.
    """
    same = [(network.training, network.serves) for network in kept] == [(one.training, one.serves) for one in asked]
    if not is_first() or (same and not trainer.run.selection.exists()):
        return
    planned = _as_asked(trainer, asked)
    if trainer.run.selection.exists():
        content = read_json(trainer.run.selection)
        planned = content.get("planned", content)
    content = _described(trainer, kept)
    if same:
        content = dict(planned)
    else:
        score = content["score"]
        content |= {"bound": max(score, planned["bound"]), "optimal": False}
        content |= {"grouping": planned["grouping"], "curve": planned["curve"], "planned": planned}
    write_json(trainer.run.selection, content | {"compared": compared})


def _described(trainer: Trainer, networks: list[Network]) -> dict[str, Any]:
    """Networks as in ``selection.json``."""
    names = [task.name for task in trainer.data.tasks]
    members = [[names[position] for position in network.tasks] for network in networks]
    serves = {task: next(k for k, network in enumerate(networks) if task in network.serves) for task in names}
    scores = _scores(trainer, members, serves)
    return {"networks": members, "serves": serves, "score": sum(scores.values()) / len(scores), "scores": scores}


def _as_asked(trainer: Trainer, asked: list[Network]) -> dict[str, Any]:
    """The networks that were asked for, where nothing was chosen."""
    content = _described(trainer, asked)
    return content | {
        "bound": content["score"],
        "optimal": True,
        "grouping": trainer.config.grouping,
        "curve": [],
    }


def _scores(trainer: Trainer, members: list[list[str]], serves: Mapping[str, int]) -> dict[str, float]:
    if not trainer.run.affinity.exists():
        return dict.fromkeys(serves, 0.0)
    affinity = Affinity.load(trainer.run.affinity)
    places = {task: place for place, task in enumerate(affinity.tasks)}
    scores = {}
    for task, k in serves.items():
        others = [places[other] for other in members[k] if other != task]
        scores[task] = float(affinity.matrix[others, places[task]].mean()) if others else 0.0
    return scores


def serving(networks: list[Network], served_by: Mapping[str, Sequence[str]]) -> list[Network]:
    """The networks that serve some task, by the names of trainings."""
    found = [
        replace(network, serves=tuple(task for task, trainings in served_by.items() if network.training in trainings))
        for network in networks
    ]
    return [network for network in found if network.serves]
