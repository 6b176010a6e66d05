"""Keys that say how a network learns: balance and convergence, for all networks of a run or for one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Le
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from .balancing import BALANCERS, Balancer
from .errors import UserError, did_you_mean, raise_all
from .ranges import refuse_absurd
from .task_order import ORDERS, task_order
from .training import AsynchronousConvergence, SequentialConvergence
from .training.callbacks.converging import Converging

if TYPE_CHECKING:
    from .config import Config


#: YAML reads a bare off as False.
Converge = Annotated[
    Literal["joint", "sequential", "off"], BeforeValidator(lambda value: "off" if value is False else value)
]


Step = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Unknown keys are errors, and so are numbers that are not finite or far too large."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _no_absurd_numbers(cls, value: Any, field: ValidationInfo) -> Any:
        bounded = any(isinstance(limit, Le) for limit in cls.model_fields[field.field_name or ""].metadata)
        return value if bounded else refuse_absurd(value)


class ConvergenceConfig(Section):
    """When a task has converged and how it is held; see :class:`polytask.training.callbacks.Converging`."""

    patience: int = Field(10, ge=1)
    min_evaluations: int | None = Field(None, ge=0)
    min_delta: float = Field(0.0, ge=0)
    relative: bool = False
    patience_steps: int | None = Field(None, ge=1)
    test: Literal["patience", "slope", "fixed"] = "patience"
    fixed_step: Step | dict[str, Step] | None = None
    teachers: int = Field(3, ge=1)
    temperature: float = Field(1.0, gt=0)
    kd_weight: float = Field(1.0, gt=0)
    mixture: float = Field(1.0, gt=0, le=1)
    half: bool = False
    unlabelled: bool = False
    reopen: bool = True
    tail: int | None = Field(None, ge=0)
    soft_labels: Literal["stored", "online"] = "stored"
    soft_loss: Literal["own", "cross_entropy", "logits", "l1", "huber"] = "own"


class JointConfig(Section):
    """Further settings of ``converge: joint``; see :class:`polytask.AsynchronousConvergence`."""

    restore: bool = False
    returned: Literal["mean", "last", "last_task"] = "mean"


class SequentialConfig(Section):
    """The order of tasks with ``converge: sequential``; see :class:`polytask.SequentialConvergence`."""

    order: str | tuple[str, ...] = Field("given", description=f"{', '.join(ORDERS)}, or names")
    max_stage_steps: int | None = Field(None, ge=1)
    restore: bool = True
    learning_rate_restart: bool = True


#: Sections with the kinds of convergence on which they have an effect.
SECTIONS: dict[str, tuple[Section, tuple[str, ...]]] = {
    "convergence": (ConvergenceConfig(), ("joint", "sequential")),
    "joint": (JointConfig(), ("joint",)),
    "sequential": (SequentialConfig(), ("sequential",)),
}


class NetworkSettings(Section):
    """What differs from the run's settings for the networks that hold all of ``tasks``."""

    tasks: tuple[str, ...] = Field(min_length=1)
    balance: str | dict[str, Any] | None = None
    converge: Converge | None = None
    convergence: ConvergenceConfig | None = None
    joint: JointConfig | None = None
    sequential: SequentialConfig | None = None

    def fits(self, tasks: Sequence[str]) -> bool:
        """Whether a network of these tasks holds all of the entry's."""
        return set(self.tasks) <= set(tasks)

    def changes(self, config: Config) -> dict[str, Any]:
        """The keys of a configuration that this entry replaces.

        A section of the run's that has no effect with the entry's ``converge`` goes back to its default.
        """
        changes = {key: value for key in self.model_fields_set - {"tasks"} if (value := getattr(self, key)) is not None}
        mode = changes.get("converge", config.converge)
        return {key: default for key, (default, modes) in SECTIONS.items() if mode not in modes} | changes

    def describe(self) -> str:
        """What it says, in short.

        Example:
            >>> NetworkSettings(tasks=("a",), balance="dwa", converge="off").describe()
            'balance dwa, converge off'
        """
        said = self.model_dump(exclude={"tasks"}, exclude_none=True, exclude_unset=True)
        return ", ".join(f"{key} {value}" for key, value in said.items())


def make_balancer(spec: str | dict[str, Any]) -> Balancer:
    """A balancer from its name, or from ``{name: ..., option: value}``.

    Raises:
        UserError: If the method is not known, does not take an option, or needs one.

    Example:
        >>> make_balancer({"name": "dwa", "temperature": 1.0}).temperature
        1.0
    """
    options = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = options.pop("name", None)
    if name not in BALANCERS:
        raise UserError(f"balance: unknown method {name!r}; {did_you_mean(str(name), BALANCERS)}")
    defaults = signature(BALANCERS[name].__init__).parameters
    raise_all([
        f"balance: {name}: expected a number for {option}, found {value!r}"
        for option, value in options.items()
        if option in defaults and type(defaults[option].default) in (int, float) and type(value) not in (int, float)
    ])  # fmt: skip
    try:
        return BALANCERS[name](**options)
    except UserError:
        raise
    except (TypeError, ValueError, AttributeError) as error:  # an option that is missing, unknown or of another type
        raise UserError(f"balance: {name}: {error}; see `polytask methods {name}`") from None


def balance_of(spec: str | dict[str, Any], tasks: Sequence[str], targets: Sequence[str]) -> str | dict[str, Any]:
    """A method for a network of some of the targets: what its options say of the others is left out.

    Example:
        >>> balance_of({"name": "static", "values": {"a": 2, "b": 3}}, ["a"], ["a", "b"])
        {'name': 'static', 'values': {'a': 2}}
    """
    others = set(targets) - set(tasks)
    if isinstance(spec, str) or not others:
        return spec

    def own(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: part for name, part in value.items() if name not in others}
        return [name for name in value if name not in others] if isinstance(value, list | tuple) else value

    return {option: own(value) for option, value in spec.items()}


def balance_problems(spec: str | dict[str, Any]) -> list[str]:
    """What is wrong with a balancing method and its options, as sentences; empty if nothing is."""
    return problems_of(lambda: make_balancer(spec))


def convergence_of(config: Config, tasks: Sequence[str], order: Sequence[str] | None = None) -> Converging | None:
    """The convergence of a network as a callback; None with ``converge: off``.

    Args:
        config: Its configuration.
        tasks: Its tasks.
        order: Names of tasks instead of the order of ``sequential``.

    Raises:
        UserError: All unusable settings at once.
    """
    if config.converge == "off":
        return None
    options = config.convergence.model_dump()
    if isinstance(steps := config.convergence.fixed_step, dict):
        options["fixed_step"] = {name: step for name, step in steps.items() if name in tasks}
    if config.converge == "joint":
        return AsynchronousConvergence(**options, **config.joint.model_dump())
    return SequentialConvergence(**options, **config.sequential.model_dump() | ({"order": order} if order else {}))


def convergence_problems(config: Config) -> list[str]:
    """What is wrong with the settings of convergence, names of tasks included."""
    order, steps = config.sequential.order, config.convergence.fixed_step
    named = {"sequential.order": () if isinstance(order, str) else order,
             "convergence.fixed_step": steps if isinstance(steps, dict) else ()}  # fmt: skip
    problems = [
        f"{key}: {name!r} is not a target; {did_you_mean(name, config.targets)}"
        for key, names in named.items()
        for name in names
        if name not in config.targets
    ]
    if not isinstance(order, str):
        problems += [f"sequential.{problem}" for problem in
                     problems_of(lambda: task_order(order, config.targets, labels={}))]  # fmt: skip
    return [*problems, *problems_of(lambda: convergence_of(config, config.targets))]


def problems_of(make: Callable[[], object]) -> list[str]:
    """What a mistake of the user's in ``make`` says; empty if there is none.

    Example:
        >>> problems_of(lambda: make_balancer("dwaa"))
        ["balance: unknown method 'dwaa'; did you mean 'dwa'?"]
    """
    try:
        make()
    except UserError as error:
        return list(error.problems)
    return []


def convergence_without_effect(config: Config) -> Iterator[str]:
    """Settings of a convergence that is not on."""
    for key, (default, modes) in SECTIONS.items():
        if config.converge not in modes and getattr(config, key) != default:
            yield f"{key}: has an effect only with converge: {' or '.join(modes)}, found {config.converge!r}"


def network_settings_problems(config: Config) -> Iterator[str]:
    """Unknown tasks, settings that do not fit, and entries that no network can have where the networks are known."""
    networks = _known_networks(config)
    entries = config.network_settings
    for place, entry in enumerate(entries):
        where = f"network_settings: entry {place + 1}"
        unknown = [task for task in entry.tasks if task not in config.targets]
        found = [f"{task!r} is not a target; {did_you_mean(task, config.targets)}" for task in unknown]
        if not entry.describe():
            found.append("says nothing; give balance, converge or a section of it")
        if entry.balance is not None:
            found += balance_problems(entry.balance)
        own = config.model_copy(update=entry.changes(config))
        found += [*convergence_without_effect(own), *(convergence_problems(own) if own.converge != "off" else ())]
        if networks is not None and not unknown and place in unused_entries(entries, networks):
            found.append(f"no network that holds {', '.join(entry.tasks)} is left for it; drop it, or put it first")
        yield from (f"{where}: {problem}" for problem in found)


def strategy_problems(config: Config) -> Iterator[str]:
    """What cannot be done where no process has whole parameters."""
    if config.strategy != "fsdp":
        return
    if _known_networks(config) is None:
        yield (
            f"strategy: fsdp has no gradients per task, by which networks are chosen (grouping {config.grouping!r}); "
            "give networks: 1, or grouping: given"
        )
    if config.sharing != "hard":
        yield f"strategy: fsdp goes with sharing: hard only, found {config.sharing!r}"
    try:
        needs = make_balancer(config.balance).needs
    except UserError:  # said elsewhere
        return
    if needs.gradients != "none":
        yield f"strategy: fsdp has no gradients per task, which balance: {config.balance!r} needs; choose another"


def unused_entries(entries: Sequence[NetworkSettings], networks: Sequence[Sequence[str]]) -> list[int]:
    """Places of the entries that are the first to fit no network.

    Example:
        >>> one, two = NetworkSettings(tasks=("a",)), NetworkSettings(tasks=("a", "b"))
        >>> unused_entries([two, one], [("a", "b"), ("a", "c")]), unused_entries([one, two], [("a", "b"), ("c",)])
        ([], [1])
    """
    used = {next((place for place, entry in enumerate(entries) if entry.fits(tasks)), None) for tasks in networks}
    return [place for place in range(len(entries)) if place not in used]


def _known_networks(config: Config) -> list[tuple[str, ...]] | None:
    """The tasks of each network, where they are not chosen."""
    if config.networks == "single_task" or config.grouping == "one_per_task":
        return [(target,) for target in config.targets]
    if config.networks == 1 or config.grouping == "all_in_one" or len(config.targets) == 1:
        return [config.targets]
    return [tuple(group) for group in config.groups] if config.grouping == "given" else None
