"""The configuration of a run: every option of the command line is a key here, with the same name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .adding_keys import adding_problems
from .distillation_keys import distillation_problems
from .errors import UserError, did_you_mean, raise_all
from .grouping.affinity import AUTO, ESTIMATORS
from .grouping.baselines import GROUPINGS
from .grouping_keys import grouping_problems
from .launch import Processes
from .learning_keys import (
    Converge,
    ConvergenceConfig,
    JointConfig,
    NetworkSettings,
    Section,
    SequentialConfig,
    balance_problems,
    convergence_problems,
    convergence_without_effect,
    network_settings_problems,
    problems_of,
    strategy_problems,
)
from .models import SHARING, sharing_problems
from .models.encoders import ENCODERS, MLP, Encoder, encoder_named, encoder_problems, is_named, resolved
from .split_keys import FILES, split_problems
from .task.names import TABLE_KINDS, TableKind
from .training import AffinityProbe, Freeze, Pace, TrainingSettings
from .training.common_checkpoint import select_by_problems


class SourceConfig(Section):
    """One of several data sets."""

    table: str = Field(description="table: .csv, .csv.gz or .parquet")
    targets: tuple[str, ...] = Field((), description="targets that it has labels for; all of its columns by default")


class AffinityConfig(Section):
    """How affinity is measured; see :class:`polytask.training.AffinityProbe`."""

    estimator: str = Field(AUTO, description=f"{AUTO}, {', '.join(ESTIMATORS)}")
    every: int | None = Field(None, ge=1, description="steps between probes; null: the estimator's own")
    start: int = Field(0, ge=0, description="first step that may be probed")
    stop: Annotated[int, Field(ge=1)] | Literal["never", "confident"] = Field(
        "never", description="step from which on none is; confident: once it is measured well enough for the choice"
    )
    time: Literal["mean", "trapezoid", "winsorised"] = Field("mean", description="how the course becomes one number")
    divide_by_lr: bool = Field(False, description="divide by the learning rate, as the published matrices are")
    lookahead: Literal["sgd", "momentum", "optimizer"] | None = Field(
        None, description="step followed by estimators lookahead and gramian; null: sgd"
    )
    null: bool | None = Field(None, description="lookahead, gramian: subtract what a step with zero gradient does")
    rows: int | None = Field(None, ge=1, description="estimator factored: samples whose Jacobians are taken")
    refresh: int | None = Field(None, ge=1, description="estimator factored: steps between their samplings")

    def options(self) -> dict[str, Any]:
        """Arguments of :class:`polytask.AffinityProbe`: what is not left to its default."""
        return {name: value for name, value in self.model_dump().items() if value not in (None, "never")}


def _listed(value: Any) -> Any:
    """One as a list of one."""
    return [value] if isinstance(value, str | dict) else value


class Config(Section):
    """Everything that decides what a run does."""

    model_config = ConfigDict(populate_by_name=True)

    data: str | tuple[SourceConfig, ...] = Field(
        description="table: .csv, .csv.gz or .parquet; or several data sets, each with its `table` and its `targets`"
    )
    targets: tuple[str, ...] = Field(min_length=1, description="columns to predict")
    from_run: str | None = Field(
        None, alias="from", description="finished run whose networks learn further: targets that it has not are added"
    )
    into: int | None = Field(
        None, ge=0, description="network of `from` that new targets join; null: the one whose features suit them best"
    )
    kind: dict[str, TableKind] = Field({}, description=f"kind of a target: {', '.join(TABLE_KINDS)}")
    metric: dict[str, str] = Field({}, description="metric of a target")
    losses: dict[str, dict[str, float]] = Field(
        {}, description="losses of a target with their weights, such as {price: {squared: 1, absolute: 0.5}}"
    )
    weights: dict[str, float] = Field({}, description="weight of a target's loss")
    features: tuple[str, ...] | None = Field(None, description="columns to use; all others by default")
    column_kind: dict[str, Literal["numeric", "categorical", "text", "image", "date", "day_first", "month_first"]] = (
        Field({}, description="kind of a feature; day_first and month_first are dates whose text begins so")
    )
    missing: tuple[str, ...] = Field(
        (), description="words that mean no value beside the documented ones; a leading = puts them in their place"
    )
    rare: Literal["drop", "merge", "error"] = Field(
        "drop", description="classes with a single row: drop counts them as no label, merge makes them one class"
    )
    ignore: tuple[str, ...] = Field((), description="columns not to use")
    id: str | None = Field(None, description="column of row ids")
    sample_weight: str | dict[str, str] | None = Field(
        None, description="column with the weight of every row in the mean losses of training, or {target: column}"
    )
    stream: Literal["auto"] | bool = Field(
        "auto", description="leave the features in a Parquet file and read them while training; auto: if it is large"
    )
    split: str | tuple[float, float, float] = Field((0.7, 0.15, 0.15), description="a column, or three shares")
    group: str | None = Field(None, description="column of groups: no group has rows in two parts of the split")
    time: str | None = Field(
        None,
        description="column of dates or numbers: training rows come before validation rows, and these before test rows",
    )
    validation: str | None = Field(None, description="table with the validation rows")
    test: str | None = Field(None, description="table with the test rows")
    networks: Literal["auto", "single_task"] | int = Field(
        "auto", description="most networks to train; 1 is all in one, single_task one for each target"
    )
    grouping: str = Field("tag", description=f"how tasks are grouped: {', '.join(GROUPINGS)}")
    groups: tuple[tuple[str, ...], ...] = Field((), description="the tasks of each network, with grouping: given")
    max_size: int | None = Field(None, ge=2, description="most tasks in a network")
    together: tuple[tuple[str, ...], ...] = Field((), description="groups of tasks that one network is to serve")
    apart: tuple[tuple[str, ...], ...] = Field((), description="groups of tasks of which no network is to hold two")
    max_cost: int | None = Field(
        None,
        ge=1,
        description="most networks that auto may train after the choice, those that it compares with included",
    )
    start: Literal["scratch", "measured"] = Field(
        "scratch", description="weights that networks start from: new ones, or those of the training that measured"
    )
    balance: str | dict[str, Any] = Field("equal", description="method, or {name: method, its options}")
    converge: Converge = Field("joint", description="let every task keep its peak")
    distill: Literal[False] | str | dict[str, Any] = Field(
        "off", description="distil from single-task models: off, mtlkd, okd or scd, or {name: scd, its options}"
    )
    teachers: str | None = Field(
        None, description="folder where single-task models are kept for other runs, and taken from if they fit"
    )
    network_settings: tuple[NetworkSettings, ...] = Field(
        (), description="balance and convergence of the network that holds certain tasks, instead of the run's"
    )
    baselines: bool = Field(True, description="also train single-task models and one plain network for all")
    encoder: str | dict[str, Any] | None = Field(
        None,
        description=f"{', '.join(ENCODERS)}, or {{name: one of them, its options}}; or a class of your own: "
        "package.module:Class, or {class: ..., args: {...}}",
    )
    sharing: str = Field("hard", description=f"how the tasks of a network share: {', '.join(SHARING)}")
    sharing_options: dict[str, int | float] = Field({}, description="options of the way of sharing, such as experts: 4")
    report_to: tuple[Literal["tensorboard", "mlflow"], ...] = Field((), description="where else events go")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="seed of split, weights and order")
    model: MLP = Field(MLP(), description="options of the default encoder, mlp")
    affinity: AffinityConfig = AffinityConfig()
    convergence: ConvergenceConfig = ConvergenceConfig()
    joint: JointConfig = JointConfig()
    sequential: SequentialConfig = SequentialConfig()
    steps: int | None = None
    epochs: float | None = None
    batch_size: int | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    optimizer: str = "adam"
    momentum: float = 0.9
    schedule: str = "constant"
    warmup: int = 0
    ema: float | None = Field(0.98, description="decay of the moving average of parameters; null for none")
    evaluate_every: int | None = None
    patience: int = 10
    gradient_clip: float | None = None
    checkpoint_seconds: float = 15.0
    keep_checkpoints: int = 2
    device: str = "auto"
    precision: str = "32"
    accumulate: int = Field(1, description="parts of a batch that go through the encoder one by one, in less memory")
    compile: bool = Field(False, description="compile the encoder")
    freeze: Annotated[tuple[str | Freeze, ...], BeforeValidator(_listed)] = Field(
        (), description="parts that stay still, by name, or {part: name, until: epoch}"
    )
    parts: dict[str, Pace] = Field({}, description="learning_rate, weight_decay, schedule, warmup of parts, by name")
    select_by: str = Field(
        "mean",
        description="which checkpoint is returned: mean, weighted or worst share of the tasks' peaks on validation, or "
        "task.NAME of a main one",
    )
    threads: int | None = None
    jobs: int = Field(
        1, ge=1, le=1024, description="networks that train side by side, each in a process and a thread of its own"
    )
    devices: int = Field(1, ge=1, le=1024, description="processes of this machine that train together; one per GPU")
    nodes: int = Field(1, ge=1, le=65536, description="machines on which the same command is started")
    strategy: str = Field("ddp", description="how processes share: ddp, or fsdp, with a share of the encoder each")
    sampling: str | tuple[float, ...] = Field("proportional", description="how rows of several data sets are drawn")
    sampling_temperature: float = Field(2.0, gt=0, le=inf)

    @model_validator(mode="before")
    @classmethod
    def _targets_of_sources(cls, values: Any) -> Any:
        """Several data sets may say all targets by themselves."""
        if isinstance(values, dict) and not values.get("targets") and isinstance(values.get("data"), list | tuple):
            lists = [source.get("targets") for source in values["data"] if isinstance(source, dict)]
            named = [
                name for names in lists if isinstance(names, list | tuple) for name in names if isinstance(name, str)
            ]
            return {**values, "targets": list(dict.fromkeys(named))}
        return values

    @model_validator(mode="before")
    @classmethod
    def _whole_encoder(cls, values: Any) -> Any:
        """A named encoder is recorded with its defaults, the default one under ``model``."""
        spec = values.get("encoder") if isinstance(values, dict) else None
        if not isinstance(spec, str | dict) or not is_named(spec) or encoder_problems(spec, "hard"):
            return values
        whole = resolved(spec)
        if whole["name"] != MLP.name:
            return {**values, "encoder": whole}
        given = {} if isinstance(spec, str) or len(spec) == 1 else whole
        if given and values.get("model"):
            raise UserError("model: are options of encoder mlp, as those in encoder: {name: mlp, ...}; give only one")
        return {**values, "encoder": None} | (
            {"model": {k: v for k, v in given.items() if k != "name"}} if given else {}
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        problems = []
        if isinstance(self.networks, int) and self.networks < 1:
            problems.append(f"networks: expected auto, single_task or a number of at least 1, found {self.networks}")
        problems += balance_problems(self.balance)
        problems += sharing_problems(self.sharing, self.sharing_options)
        problems += encoder_problems(self.encoder, self.sharing)
        if self.encoder is not None and self.model != MLP():
            problems.append("model: are options of the default encoder, mlp, and have no effect with another; "
                            "write encoder: {name: ..., its options}")  # fmt: skip
        problems += grouping_problems(self)
        problems += distillation_problems(self.distill, self.sharing, self.converge)
        for key in ("kind", "metric", "losses", "weights", "sample_weight"):
            named = getattr(self, key)
            unknown = [target for target in named if target not in self.targets] if isinstance(named, dict) else []
            problems += [f"{key}: {target!r} is not a target; {did_you_mean(target, self.targets)}"
                         for target in unknown]  # fmt: skip
        if isinstance(self.split, tuple) and (min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-6):
            problems.append(f"split: expected three shares above 0 that sum to 1, found {list(self.split)}")
        problems += split_problems(self)
        problems += [*convergence_without_effect(self), *convergence_problems(self)]
        problems += network_settings_problems(self)
        problems += strategy_problems(self)
        problems += adding_problems(self)
        problems += select_by_problems(self.select_by, self.targets)
        if self.jobs > 1 and self.devices * self.nodes > 1:
            problems.append(
                f"jobs: networks train side by side ({self.jobs}), or several processes train each of them "
                f"(devices: {self.devices}, nodes: {self.nodes}), not both; set one of them to 1"
            )
        if len(self.sources) == 1 and (self.sampling, self.sampling_temperature) != ("proportional", 2.0):
            problems.append("sampling: has an effect only with several data sets, found one")
        for make in (self.training, self.processes, lambda: AffinityProbe(**self.affinity.options())):
            problems += problems_of(make)
        raise_all(problems)
        return self

    def for_network(self, tasks: Sequence[str]) -> Config:
        """The same with what :attr:`network_settings` says for a network of these tasks; the first that fits counts."""
        own = next((entry for entry in self.network_settings if entry.fits(tasks)), None)
        return self.model_copy(update={"network_settings": (), **(own.changes(self) if own else {})})

    def training(self) -> TrainingSettings:
        """The settings of every training of the run."""
        return TrainingSettings(**{name: getattr(self, name) for name in TrainingSettings.__dataclass_fields__})

    def processes(self) -> Processes:
        """The processes of every training of the run."""
        return Processes(self.devices, self.nodes, self.strategy)

    @property
    def named_encoder(self) -> Encoder | None:
        """The encoder; None for a class of the user's.

        Raises:
            UserError: If a package that it needs is missing.
        """
        if self.encoder is None:
            return self.model
        return encoder_named(self.encoder) if is_named(self.encoder) else None

    @property
    def sources(self) -> tuple[SourceConfig, ...]:
        """The data sets; one if ``data`` is a table."""
        return (SourceConfig(table=self.data),) if isinstance(self.data, str) else self.data

    @property
    def held_files(self) -> tuple[str, ...]:
        """The parts of the split that are files of their own."""
        return tuple(part for part in FILES if getattr(self, part) is not None)

    @property
    def tables(self) -> tuple[str, ...]:
        """Paths of all files with rows."""
        return (*(source.table for source in self.sources), *(str(getattr(self, part)) for part in self.held_files))

    @property
    def data_name(self) -> str:
        """The tables' names, for messages."""
        return " + ".join(Path(source.table).name for source in self.sources)

    def beside(self, folder: Path) -> Config:
        """The same for a file in ``folder``: paths of data are relative to it, see :func:`read_config`."""

        def moved_to(path: str) -> str:
            return Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix()

        tables = [moved_to(source.table) for source in self.sources]
        if isinstance(self.data, str):
            run = None if self.from_run is None else moved_to(self.from_run)
            held = {part: moved_to(str(getattr(self, part))) for part in self.held_files}
            return self.model_copy(update={"data": tables[0], "from_run": run, **held})
        moved = tuple(SourceConfig(table=t, targets=s.targets) for t, s in zip(tables, self.data, strict=True))
        return self.model_copy(update={"data": moved})

    def to_yaml(self) -> str:
        """The whole configuration, defaults included."""
        return yaml.safe_dump(self.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True)


def make_config(values: Mapping[str, Any], where: str = "config") -> Config:
    """Check ``values`` and fill in the defaults.

    Raises:
        UserError: All mistakes at once, each with its key; a mistyped key with the near miss.
    """
    try:
        return Config(**values)
    except ValidationError as error:
        problems = [f"{where}: {problem}" for detail in error.errors() for problem in _explain(detail, values)]
        raise UserError(*dict.fromkeys(problems)) from None


#: What keys that take values of several kinds expect.
EXPECTED = {
    "networks": "auto, single_task or a number of at least 1",
    "split": "the name of a column, or three shares",
    "balance": "a method, or {name: method, its options}",
    "encoder": "a name, {name: ..., its options}, package.module:Class, or {class: ..., args: {...}}",
    "freeze": "a part, or a list of parts and {part: name, until: epoch}",
    "parts": "{part: {learning_rate, weight_decay, schedule or warmup: value}}",
    "distill": "off, mtlkd, okd or scd, or {name: scd, its options}",
}


def _explain(detail: Any, values: Mapping[str, Any]) -> Iterator[str]:
    """What pydantic found, as sentences."""
    path = [str(part) for part in detail["loc"]]
    if not path:  # our own checks of keys against each other
        yield from detail["ctx"]["error"].problems
    elif detail["type"] == "extra_forbidden":
        yield f"unknown key {'.'.join(path)!r}; {did_you_mean(path[-1], _keys(path[:-1]))}"
    elif path[0] in EXPECTED:
        yield f"{path[0]}: expected {EXPECTED[path[0]]}, found {values[path[0]]!r}"
    elif detail["type"] == "missing":
        yield f"key {'.'.join(path)!r} is missing; {Config.model_fields[path[0]].description or 'give it'}"
    else:
        yield f"{'.'.join(path)}: {_expected(detail)}, found {detail['input']!r}"


#: What pydantic says of numbers, as :class:`~polytask.ranges.Range` says it.
SAID = {
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be less than {lt:g}",
    "finite_number": "must be finite",
}


def _expected(detail: Any) -> str:
    """What a key expects."""
    if detail["type"] in SAID:
        return SAID[detail["type"]].format(**detail.get("ctx", {}))
    return str(detail["msg"][0].lower() + detail["msg"][1:])


def _keys(path: Sequence[str]) -> list[str]:
    """The keys of a section, which may be one of a list."""
    section: type[BaseModel] = Config
    for part in path:
        if part in section.model_fields:
            section = next(_sections(section.model_fields[part].annotation), section)
    return list(section.model_fields)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)
