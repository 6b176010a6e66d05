"""How networks learn: balance, convergence and distillation, for all networks of a run or for one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ..errors import UserError, did_you_mean
from ..task.order import task_order
from .convergence import ConvergenceOptions, JointOptions, SequentialOptions
from .key import Decides, Key, Option, keys_of, without_effect
from .section import Section, problems_of

if TYPE_CHECKING:
    from .config import Config

#: YAML reads a bare off as False.
Converge = Annotated[
    Literal["joint", "sequential", "off"], BeforeValidator(lambda value: "off" if value is False else value)
]
#: With which ``converge`` a section of convergence has an effect.
_JOINT, _SEQUENTIAL = ("joint",), ("sequential",)


class NetworkSettings(Section):
    """What differs from the run's settings for the networks that hold all of ``tasks``."""

    tasks: Annotated[tuple[str, ...], Field(min_length=1), Key("Tasks that the network holds.")]
    balance: Annotated[str | dict[str, Any] | None, Key("Balancing method.")] = None
    converge: Annotated[Converge | None, Key("Kind of convergence.")] = None
    convergence: Annotated[ConvergenceOptions | None, Key("When a task has converged.")] = None
    joint: Annotated[JointOptions | None, Key("Settings of joint convergence.")] = None
    sequential: Annotated[SequentialOptions | None, Key("Settings of sequential convergence.")] = None

    def fits(self, tasks: Sequence[str]) -> bool:
        """Whether a network of these tasks holds all of the entry's."""
        return set(self.tasks) <= set(tasks)

    def changes(self, config: Config) -> dict[str, Any]:
        """The keys of a configuration that this entry replaces.

        A section of the run's that has no effect with the entry's ``converge`` goes back to its default.
        """
        changes = {key: value for key in self.model_fields_set - {"tasks"} if (value := getattr(self, key)) is not None}
        mode, keys = changes.get("converge", config.converge), keys_of(LearningKeys)
        unused = {name: LearningKeys.model_fields[name].get_default(call_default_factory=True)
                  for name in ("convergence", "joint", "sequential")
                  if mode not in keys[name].needs["converge"]}  # fmt: skip
        return unused | changes

    def describe(self) -> str:
        """What it states, in short.

        Example:
            >>> NetworkSettings(tasks=("a",), balance="dwa", converge="off").describe()
            'balance dwa, converge off'
        """
        said = self.model_dump(exclude={"tasks"}, exclude_none=True, exclude_unset=True)
        return ", ".join(f"{key} {value}" for key, value in said.items())


class BalanceKeys(Section):
    """Balance."""

    title: ClassVar[str] = "Balance"
    section: ClassVar[str] = "balance"

    balance: Annotated[str | dict[str, Any], Key(
        "Balancing method, or {name: method, its options}.",
        Option(str, "NAME", "balancing method, see `polytask methods`"), inside="",
    )] = "equal"  # fmt: skip


class ConvergenceKeys(Section):
    """Convergence."""

    title: ClassVar[str] = "Convergence"
    section: ClassVar[str] = "convergence"

    converge: Annotated[Converge, Key(
        "Whether every task keeps its peak: all tasks at once, or one after the other.",
        Option(str, "WORD", "joint or sequential: every task keeps its peak; or off"),
    )] = "joint"  # fmt: skip
    convergence: Annotated[ConvergenceOptions, Key(
        "When a task has converged, and how it is held then.", needs={"converge": _JOINT + _SEQUENTIAL}, inside="",
    )] = ConvergenceOptions()  # fmt: skip
    joint: Annotated[JointOptions, Key(
        "Further settings of joint convergence.", needs={"converge": _JOINT},
    )] = JointOptions()  # fmt: skip
    sequential: Annotated[SequentialOptions, Key(
        "The order of tasks and their stages.", needs={"converge": _SEQUENTIAL},
    )] = SequentialOptions()  # fmt: skip


class LearningKeys(BalanceKeys, ConvergenceKeys):
    """What networks of one run may differ in."""


class DistillationKeys(Section):
    """Distillation."""

    title: ClassVar[str] = "Distillation"
    section: ClassVar[str] = "distillation"

    distill: Annotated[Literal[False] | str | dict[str, Any], Key(
        "Distil from single-task models: off, mtlkd, okd or scd; or best: one network learns from the mean of all "
        "candidates and is served in their place; or {name: scd, its options}.",
        Option(str, "NAME", "mtlkd, okd or scd: from single-task models; best: from all candidates; or off"),
        of_first_run=True,
    )] = "off"  # fmt: skip
    teachers: Annotated[str | None, Key(
        "Folder of single-task models that several runs share: read if they fit, else written.",
        Option(str, "FOLDER", "folder of single-task models that several runs share"),
        decides=Decides.PLACE, of_first_run=True,
    )] = None  # fmt: skip


class NetworkKeys(Section):
    """Single networks."""

    title: ClassVar[str] = "Single networks"
    section: ClassVar[str] = "grouping"

    network_settings: Annotated[tuple[NetworkSettings, ...], Key(
        "Balance and convergence of the network that holds certain tasks, instead of the run's.", of_first_run=True,
    )] = ()  # fmt: skip


def learning_problems(config: Config) -> Iterator[str]:
    """Problems with balance, convergence and distillation, those of single networks included."""
    yield from balance_problems(config.balance)
    yield from _convergence_problems(config)
    if config.distill not in (False, "off"):
        from ..training.distillations import distillation_problems

        yield from distillation_problems(config.distill, config.sharing)
    elif config.teachers and not config.baselines and config.networks != "single_task" and config.max_cost is None:
        yield "teachers: has an effect only where single-task models are trained: with baselines, or with distill"
    yield from _network_settings_problems(config)
    yield from _strategy_problems(config)


def balance_problems(spec: str | dict[str, Any]) -> list[str]:
    """Problems with a balancing method and its options, as sentences; empty if nothing is."""
    if spec == "equal":
        return []
    from ..balancing.make import make_balancer

    return problems_of(lambda: make_balancer(spec))


def _convergence_problems(config: Config) -> Iterator[str]:
    """Problems with names of tasks in the settings of convergence."""
    order, steps = config.sequential.order, config.convergence.fixed_step
    named = {"sequential.order": () if isinstance(order, str) else order,
             "convergence.fixed_step": steps if isinstance(steps, dict) else ()}  # fmt: skip
    unknown = [
        f"{key}: {name!r} is not a target; {did_you_mean(name, config.targets)}"
        for key, names in named.items()
        for name in names
        if name not in config.targets
    ]
    yield from unknown
    if not unknown:
        yield from (f"sequential.{problem}" for problem in problems_of(lambda: _check_order(config)))


def _check_order(config: Config) -> None:
    nothing = dict.fromkeys(config.targets, 0)
    task_order(config.sequential.order, config.targets, labels=nothing, best_epochs=nothing, gaps=nothing)


def _network_settings_problems(config: Config) -> Iterator[str]:
    """Unknown tasks, settings that do not fit, and entries that no network can have where the networks are known."""
    networks = known_networks(config)
    entries = config.network_settings
    for place, entry in enumerate(entries):
        where = f"network_settings: entry {place + 1}"
        unknown = [task for task in entry.tasks if task not in config.targets]
        found = [f"{task!r} is not a target; {did_you_mean(task, config.targets)}" for task in unknown]
        if not entry.describe():
            found.append("is empty; give balance, converge or a section of it")
        if entry.balance is not None:
            found += balance_problems(entry.balance)
        own = LearningKeys(**{key: value for key, value in entry if key != "tasks" and value is not None}
                           | {"converge": entry.converge or config.converge})  # fmt: skip
        found += without_effect(own)
        found += _convergence_problems(config.model_copy(update=entry.changes(config)))
        if networks is not None and not unknown and place in unused_entries(entries, networks):
            found.append(f"no network that holds {', '.join(entry.tasks)} is left for it; drop it, or put it first")
        yield from (f"{where}: {problem}" for problem in found)


def _strategy_problems(config: Config) -> Iterator[str]:
    """What cannot be done where no process has whole parameters."""
    if config.strategy != "fsdp":
        return
    if known_networks(config) is None:
        yield (
            f"strategy: fsdp has no gradients per task, by which networks are chosen (grouping {config.grouping!r}); "
            "give networks: 1, or grouping: given"
        )
    if config.sharing != "hard":
        yield f"strategy: fsdp goes with sharing: hard only, found {config.sharing!r}"
    from ..balancing.make import make_balancer

    try:
        needs = make_balancer(config.balance).needs
    except UserError:  # said elsewhere
        return
    if needs.gradients != "none":
        yield f"strategy: fsdp has no gradients per task, which balance: {config.balance!r} needs; choose another"


def unused_entries(entries: Sequence[NetworkSettings], networks: Sequence[Sequence[str]]) -> list[int]:
    """Positions of the entries that are the first to fit no network.

    Example:
        >>> one, two = NetworkSettings(tasks=("a",)), NetworkSettings(tasks=("a", "b"))
        >>> unused_entries([two, one], [("a", "b"), ("a", "c")]), unused_entries([one, two], [("a", "b"), ("c",)])
        ([], [1])
    """
    used = {next((place for place, entry in enumerate(entries) if entry.fits(tasks)), None) for tasks in networks}
    return [place for place in range(len(entries)) if place not in used]


def known_networks(config: Config) -> list[tuple[str, ...]] | None:
    """The tasks of each network, where they are not chosen."""
    if config.networks == "single_task" or config.grouping == "one_per_task":
        return [(target,) for target in config.targets]
    if config.networks == 1 or config.grouping == "all_in_one" or len(config.targets) == 1:
        return [config.targets]
    return [tuple(group) for group in config.groups] if config.grouping == "given" else None


def convergence_options(config: Config, tasks: Sequence[str]) -> dict[str, Any]:
    """The settings of convergence of a network of some of the targets."""
    options = asdict(config.convergence)
    if isinstance(steps := config.convergence.fixed_step, dict):
        options["fixed_step"] = {name: step for name, step in steps.items() if name in tasks}
    return options | asdict(config.joint if config.converge == "joint" else config.sequential)
