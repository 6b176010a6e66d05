"""How long a run takes, measured on a few steps before it trains, and what of it fits into a time limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from ..config import Config
from ..display.display import Display
from ..display.text import count, duration
from ..grouping.strategies import GROUPINGS
from ..processes.collectives import numbers_of_first
from ..ranges import seconds_of
from ..records.folder import RunFolder
from ..training import fit, only_parts_of
from .candidates.distilled import is_wanted
from .candidates.families import families
from .encoders import network_of
from .limit import Limit
from .preparation.prepared import Prepared, labelled_rows
from .trainer import make_balancer
from .trainings import budgets, compared_alone, joint_wanted

#: Steps of the trainings by which speed is measured, a short and a longer one.
FEW, MANY = 2, 12
#: Trainings of at most this many steps are not measured: that would take a good part of what they take themselves.
SHORT = 100
#: No training is planned with fewer steps, whatever the limit.
LEAST_STEPS = 20
#: Evaluations that a training has at least.
FEWEST_EVALUATIONS = 6
#: Share of a time limit that trainings are planned for: convergence costs more than plain steps, and results have to be
#: measured and written.
PLANNED = 0.75
#: What a limit takes away, in this order, while trainings would have fewer than a quarter of their steps.
FEWER: tuple[Mapping[str, Any], ...] = (
    {},
    {"max_baselines": 0},
    {"max_baselines": 0, "ensemble": 1},
    {"max_baselines": 0, "ensemble": 1, "networks": 1},
    {"max_baselines": 0, "ensemble": 1, "networks": 1, "baselines": False},
)
LEAST_SHARE = 0.25
#: Networks that ``auto`` trains are known only when affinity is measured; about this many after it.
USUAL_NETWORKS = 3


@dataclass(frozen=True)
class Speed:
    """Seconds that a training takes: for each step, for each evaluation, and to begin and end."""

    step: float
    evaluation: float
    around: float = 0.0

    def seconds(self, steps: int, every: int) -> float:
        """Of a whole training.

        Example:
            >>> Speed(0.01, 0.5).seconds(1000, 100)
            15.0
        """
        return self.around + steps * self.step + -(-steps // every) * self.evaluation


@dataclass(frozen=True)
class Plan:
    """What a run trains.

    Attributes:
        changes: Keys of the configuration that a time limit changes.
        sorts: Number of trainings of each sort, if known before they begin.
        seconds: What all of them take at most, roughly; None if no speed was measured.
        steps: Most steps of each.
        longest: Seconds of one for all tasks, and of one for a single task.
        families: Names of the families that are fitted after the networks; how long that takes is not known.
    """

    changes: dict[str, Any]
    sorts: dict[str, int]
    seconds: float | None
    steps: int
    longest: tuple[float, float]
    families: tuple[str, ...] = ()

    @property
    def trainings(self) -> int:
        """Number of all of them, a family as one."""
        return sum(self.sorts.values()) + len(self.families)

    def sentence(self, config: Config, rows: int) -> str:
        """What the user is told before the first training, on this many training rows."""
        resolved = config.training().resolve(rows)
        asked, most = resolved.steps or 1, resolved.most_steps or 0
        about = "about " if _chosen(config) else ""
        sorts = ", ".join(count(many, sort) for sort, many in self.sorts.items() if many)
        until = f", up to {most:,} while a target improves" if most > self.steps >= asked else ""
        said = f"plan: {about}{count(sum(self.sorts.values()), 'training')} ({sorts}) of {self.steps:,} steps{until}"
        if self.seconds is not None:
            said += f", about {duration(self.seconds)} on this machine"
        if self.families:
            said += f", and then {', '.join(self.families)} for every target"
            said += "" if self.seconds is None else ", not included in this time"
        if self.seconds is None:
            return said
        if config.time_limit is None:
            return f"{said}; less if trainings stop early"
        lost = {
            "steps": f"{self.steps:,} steps instead of {asked:,}" if self.steps < asked else "",
            "max_baselines": "no single-task models",
            "ensemble": "no ensemble of networks" if config.ensemble > 1 else "",
            "networks": "one network for all",
            "baselines": "nothing to compare with",
        }
        found = [lost[key] for key in self.changes if lost.get(key)]
        why = f"for the limit of {config.time_limit}: {', '.join(found)}" if found else f"within {config.time_limit}"
        return f"{said}; {why}"


def measured(config: Config, data: Prepared) -> tuple[Speed, Speed]:
    """Speed of a network for all tasks and of one for a single task, each from a few short trainings."""
    everyone = list(range(len(data.tasks)))
    together = _speed(config, data, everyone)
    return together, together if len(everyone) == 1 else _speed(config, data, everyone[:1])


def _speed(config: Config, data: Prepared, positions: list[int]) -> Speed:
    tasks = [data.tasks[position] for position in positions]
    parts = {part: labelled_rows(data.rows[part], positions) for part in ("train", "validation")}
    settings = config.training().resolve(len(data.rows["train"]))
    ratios: list[float] = []

    def taken(steps: int, every: int) -> float:
        """Seconds of the processor: those of the clock are mostly waiting where other programs run, now and then."""
        network = network_of(config, data.schema, tasks)
        balancer = make_balancer(config.balance if len(tasks) == len(data.tasks) else "equal")  # single ones are plain
        balancer.bind([task.name for task in tasks])
        exactly = {"steps": steps, "most_steps": steps, "evaluate_every": every, "warmup": 0}
        clock, processor = time.monotonic(), time.process_time()
        fit(network, train=parts["train"], validation=parts["validation"], balancer=balancer,
            settings=only_parts_of(network, settings.model_copy(update=exactly)), seed=config.seed)  # fmt: skip
        clock, processor = time.monotonic() - clock, time.process_time() - processor
        ratios.append(clock / processor)
        return processor

    taken(FEW, FEW)  # what is loaded and compiled at first use
    once, longer, often = taken(FEW, FEW), taken(MANY, MANY), taken(FEW, 1)
    step, evaluation = max(0.0, longer - once) / (MANY - FEW), max(0.0, often - once) / (FEW - 1)
    around = max(0.0, once - FEW * step - evaluation)
    waited = median(ratios)  # seconds of the clock for each of the processor
    return Speed(*numbers_of_first([waited * seconds for seconds in (step, evaluation, around)]))


def make_plan(config: Config, data: Prepared, speeds: tuple[Speed, Speed], left: float | None = None) -> Plan:
    """What the run trains in ``left`` seconds, or as configured without a limit.

    Args:
        config: The run's configuration.
        data: Its data.
        speeds: Of a network for all tasks, and of one for a single task.
        left: Seconds until the limit.
    """
    rows = len(data.rows["train"])
    full = config.training().resolve(rows)
    asked, every = full.steps or 1, full.evaluate_every or 1
    if left is None:
        return _plan(config, {}, speeds, asked, every)
    for changes in FEWER if _may_be_one(config) else FEWER[:3]:
        reduced = config.model_copy(update=changes)
        steps = _fitting(reduced, speeds, asked, every, PLANNED * left)
        if steps >= LEAST_SHARE * asked:
            break
    shorter = {"steps": steps, "epochs": None, "evaluate_every": _every(steps, every)} if steps < asked else {}
    return _plan(reduced, shorter | dict(changes), speeds, steps, _every(steps, every))


def _every(steps: int, every: int) -> int:
    """Steps between evaluations: those of the whole training, unless evaluations would be too few."""
    return min(every, -(-steps // FEWEST_EVALUATIONS))


def _fitting(config: Config, speeds: tuple[Speed, Speed], asked: int, every: int, seconds: float) -> int:
    """The most steps of each training with which all take no more than ``seconds``; at least a few."""

    def fits(steps: int) -> bool:
        return (_plan(config, {}, speeds, steps, _every(steps, every)).seconds or 0.0) <= seconds

    low, high = min(asked, LEAST_STEPS), asked
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _plan(config: Config, changes: dict[str, Any], speeds: tuple[Speed, Speed], steps: int, every: int) -> Plan:
    together, alone = (speed.seconds(steps, every) for speed in speeds)
    plain, single, networks = int(joint_wanted(config)), len(compared_alone(config)), _networks(config)
    extra = _to_choose(config)
    members, student = config.ensemble if config.ensemble > 1 else 0, int(is_wanted(config))
    seconds = (single * alone + (plain + extra + networks + members + student) * together) / max(1, config.jobs)
    sorts = {
        f"plain network{' with affinity' if _chosen(config) else ''}": plain,
        "single-task model": single,
        "trial network": extra,
        "network": networks,
        "member of the ensemble": members,
        "distilled network": student,
    }
    names = tuple(family.name for family in families(config.candidates, len(config.targets)))
    return Plan(changes, sorts, seconds, steps, (together, alone), names)


def _may_be_one(config: Config) -> bool:
    """Whether the number of networks is left to the run, and one is as good as any."""
    return config.networks == "auto" and not (config.apart or config.together or config.groups or config.max_size)


def _chosen(config: Config) -> bool:
    return config.networks == "auto" and len(config.targets) > 1 and GROUPINGS[config.grouping].chooses


def _to_choose(config: Config) -> int:
    """Most networks that are trained only to choose others."""
    count = len(config.targets)
    if count == 1 or config.networks in (1, "single_task"):
        return 0
    return GROUPINGS[config.grouping].trainings(count, budgets(config, count), len(compared_alone(config)))


def _networks(config: Config) -> int:
    """Networks that are trained after affinity is measured, roughly where they are chosen then."""
    if config.networks == "single_task":
        return len(config.targets)
    if _chosen(config):
        return min(USUAL_NETWORKS, len(config.targets))
    return 1 if config.networks == "auto" else min(int(config.networks), len(config.targets))


@dataclass(frozen=True)
class Planned:
    """What was planned, if known: only where somebody sees it, or a time limit needs it.

    Attributes:
        changes: See :class:`Plan`.
        longest: See :class:`Plan`.
        trainings: See :class:`Plan`; 0 where nothing was planned.
        seconds: See :class:`Plan`.
        sentence: What the user is told.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    longest: tuple[float, float] = (0.0, 0.0)
    trainings: int = 0
    seconds: float | None = None
    sentence: str = ""

    def stored(self) -> dict[str, Any]:
        """What ``state.json`` keeps, so that a resumed run has the same plan."""
        return {"plan": {"changes": dict(self.changes), "longest": list(self.longest)}} if any(self.longest) else {}

    def limit(self, asked: str | float | None, spent: float) -> Limit | None:
        """When trainings end, in a run that has used ``spent`` seconds of its limit."""
        return (
            None
            if asked is None or not any(self.longest)
            else Limit.of(max(0.0, seconds_of(asked) - spent), self.longest)
        )


def plan_run(config: Config, data: Prepared, display: Display, run: RunFolder | None, spent: float) -> Planned:
    """What a run trains, and how long that takes.

    Args:
        config: The run's configuration.
        data: Its data.
        display: Who is told; without a limit nothing is measured where nobody sees it.
        run: The run, if it continues: it keeps its plan.
        spent: Seconds of its limit that are used.
    """
    stored = ((run.decided or {}) if run is not None else {}).get("plan")
    if stored is not None:
        return Planned(stored["changes"], tuple(stored["longest"]))
    if run is not None or (config.time_limit is None and not _seen(display)):
        return Planned()
    rows = len(data.rows["train"])
    if config.time_limit is None and (config.training().resolve(rows).steps or 0) <= SHORT:
        plan = replace(make_plan(config, data, (Speed(0.0, 0.0), Speed(0.0, 0.0))), seconds=None)
        return Planned({}, (0.0, 0.0), plan.trainings, None, plan.sentence(config, rows))
    started = time.monotonic()
    speeds = measured(config, data)
    left = None
    if config.time_limit is not None:
        left = numbers_of_first([max(0.0, seconds_of(config.time_limit) - spent - (time.monotonic() - started))])[0]
    plan = make_plan(config, data, speeds, left)
    longest = plan.longest if left is not None else (0.0, 0.0)
    return Planned(plan.changes, longest, plan.trainings, plan.seconds, plan.sentence(config, rows))


def _seen(display: Display) -> bool:
    """Whether somebody is told: by the first of several processes, which all measure then."""
    return bool(numbers_of_first([float(display.shows)])[0])
