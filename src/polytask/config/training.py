"""How long and how fast to train, with defaults that follow the size of the data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, model_validator

from ..errors import UserError, did_you_mean
from ..ranges import Count, Range, range_problems
from .key import TRAIN, Decides, Key, Option, documented, without_effect
from .section import Settings

MovingAverage = Annotated[float | None, Range(0, 1, more=True, less=True), Key(
    "Decay of a moving average of the parameters; the average is evaluated, kept and returned. None: no average.",
)]  # fmt: skip
#: Words for how rows of several data sets are drawn.
Sampling = Literal["proportional", "equal", "temperature", "round_robin"]
Schedule = Literal["constant", "linear", "cosine"]
SAMPLING, SCHEDULES = Sampling.__args__, Schedule.__args__  # type: ignore[attr-defined]
#: Criteria for the checkpoint to return, beside ``task.NAME``.
SELECT_BY = ("mean", "worst", "weighted")
MAIN = "task."
#: A training in which a target still improves takes at most this many times its usual steps.
LONGER = 4
#: For pydantic: unknown keys of dataclasses that are sections of configurations are errors.
STRICT: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True)
class Freeze:
    """A part that is frozen: no gradient, and evaluation mode (dropout off, no update of normalisation statistics).

    Attributes:
        part: See :mod:`polytask.training.part_names`.
        until: Epoch at which it begins to train; None: never.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    part: Annotated[str, Key("name of the part")]
    until: Annotated[float | None, Range(more=True), Key("epoch at which it begins to train; null: never")] = None

    @classmethod
    def of(cls, given: str | Freeze | Mapping[str, Any]) -> Freeze:
        """From a name, or from ``{part: name, until: epoch}``."""
        if isinstance(given, Freeze):
            return given
        return cls(given) if isinstance(given, str) else cls(**given)


@dataclass(frozen=True)
class Pace:
    """Settings of the optimiser for a part; None: those of the training.

    Attributes:
        learning_rate: Step size.
        weight_decay: Decay of the optimiser.
        schedule: History of the learning rate.
        warmup: Steps over which it rises.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    learning_rate: Annotated[float | None, Range(more=True), Key("learning rate of the optimiser")] = None
    weight_decay: Annotated[float | None, Range(), Key("decay of the optimiser")] = None
    schedule: Annotated[Schedule | None, Key("history of the learning rate")] = None
    warmup: Annotated[int | None, Range(whole=True), Key("steps over which the learning rate rises")] = None

    def filled(self, settings: TrainingSettings) -> Pace:
        """The same with what is open taken from the training's settings."""
        return Pace(**{name: getattr(settings, name) if value is None else value for name, value in vars(self).items()})


def _listed(value: Any) -> Any:
    """One as a list of one."""
    return [value] if isinstance(value, str | dict | Freeze) else value


@documented
class TrainingSettings(Settings):
    """Settings of one training.

    Raises:
        UserError: All unusable values at once.

    Example:
        >>> TrainingSettings(steps=500, learning_rate=0.01).optimizer
        'adam'
    """

    steps: Annotated[int | None, Range(1, whole=True), Key(
        "Optimiser steps of every training, unless it ends early. Default: 40 epochs, but at least 2,000 and at most "
        "20,000 steps; a training in which a target still improves then continues, see `most_steps`.",
        Option(int, "N", "maximum number of steps of each training", commands=TRAIN),
    )] = None  # fmt: skip
    epochs: Annotated[float | None, Range(more=True), Key(
        "Maximum number of epochs; not with `steps`.",
        Option(float, "N", "maximum number of epochs, instead of steps", commands=TRAIN),
    )] = None  # fmt: skip
    most_steps: Annotated[int | None, Range(1, whole=True), Key(
        "Upper limit of steps for a training in which a target still improves. Default: four times the default of "
        "`steps`; exactly `steps` if `steps`, `epochs` or a learning rate schedule is given.",
    )] = None  # fmt: skip
    batch_size: Annotated[int | None, Range(1, whole=True), Key(
        "Rows per step over all processes. Default: a fiftieth of the rows, a power of two from 32 to 512.",
        Option(int, "N", "rows per step", commands=TRAIN),
    )] = None  # fmt: skip
    learning_rate: Annotated[float, Range(more=True), Key(
        "Step size.", Option(float, "RATE", commands=TRAIN),
    )] = 1e-3  # fmt: skip
    weight_decay: Annotated[float, Range(), Key("Weight decay of the optimiser (decoupled for `adamw`).")] = 0.0
    optimizer: Annotated[Literal["adam", "adamw", "sgd"], Key("The optimiser.")] = "adam"
    momentum: Annotated[
        float,
        Range(0, 1, less=True, because="training diverges from 1 on"),
        Key("Momentum of `sgd`.", needs={"optimizer": ("sgd",)}),
    ] = 0.9
    schedule: Annotated[Schedule, Key("Schedule of the learning rate: constant, or falling to 0.")] = "constant"
    warmup: Annotated[int, Range(whole=True), Key("Steps over which the learning rate rises.")] = 0
    ema: MovingAverage = None
    evaluate_every: Annotated[int | None, Range(1, whole=True), Key(
        "Steps between evaluations. Default: 60 evaluations in `steps`.",
    )] = None  # fmt: skip
    patience: Annotated[
        Count, Key("Early stopping: training ends when no task has improved for this many evaluations.")
    ] = 10
    gradient_clip: Annotated[float | None, Range(more=True), Key(
        "Maximum norm of the whole gradient. None: no clipping.",
    )] = None  # fmt: skip
    checkpoint_seconds: Annotated[float, Range(), Key(
        "Minimum seconds between two checkpoints on disk; 0 writes one after every step.", decides=Decides.NOTHING,
    )] = 15.0  # fmt: skip
    keep_checkpoints: Annotated[Count, Key(
        "Number of recent checkpoints that stay on disk, beside the parameters of the best evaluations.",
        decides=Decides.NOTHING,
    )] = 2  # fmt: skip
    device: Annotated[Literal["auto", "cpu", "cuda"], Key(
        "Device of the computation.", Option(str, "NAME", "auto, cpu or cuda", commands=TRAIN),
        decides=Decides.ROUNDING,
    )] = "auto"  # fmt: skip
    precision: Annotated[
        Literal["32", "bf16", "16"], Key("Floating-point precision: 32 bits, or mixed with bf16 or 16.")
    ] = "32"
    accumulate: Annotated[Count, Key(
        "Micro-batches per batch: only one is in memory at a time, and the step equals that of the whole batch for "
        "every balancing method. Costs one more forward pass.",
    )] = 1  # fmt: skip
    compile: Annotated[bool, Key("Compile the encoder (`torch.compile`); the first steps take a while.")] = False
    freeze: Annotated[tuple[str | Freeze, ...], BeforeValidator(_listed), Key(
        "Parts that are frozen: no gradient, and evaluation mode. Names, or `{part: name, until: epoch}`.",
    )] = ()  # fmt: skip
    parts: Annotated[dict[str, Pace], Key(
        "learning_rate, weight_decay, schedule and warmup of parts, by name. The first part that holds a parameter "
        "counts; parts of a task come before shared ones.",
    )] = {}  # noqa: RUF012  # fmt: skip
    select_by: Annotated[str, Key(
        "Criterion of the returned checkpoint, from each task's validation metric as a share of its peak: the `mean` "
        "over tasks, the `worst` task, the `weighted` mean with the tasks' weights, or a main task, `task.NAME` "
        "(without convergence, training then stops early when that task stalls).",
    )] = "mean"  # fmt: skip
    sampling: Annotated[str | tuple[float, ...], Key(
        "How rows of several data sets are drawn: `proportional` to their sizes, `equal`, by `temperature`, "
        "`round_robin` (one data set a step), or ratios.",
    )] = "proportional"  # fmt: skip
    sampling_temperature: Annotated[float, Range(more=True, infinite=True), Key(
        "Temperature of the sampling: 1 is proportional, infinity is equal.", needs={"sampling": ("temperature",)},
    )] = 2.0  # fmt: skip
    threads: Annotated[int | None, Range(1, whole=True), Key(
        "Threads of one training on a CPU. Default: one for small networks (parameters times batch below 100 million: "
        "more threads are slower, above all on a busy machine), all cores otherwise.",
        decides=Decides.ROUNDING,
    )] = None  # fmt: skip
    strategy: Annotated[Literal["ddp", "fsdp"], Key(
        "How several processes train: `ddp`: each has the whole network; `fsdp`: each has a share of the encoder's "
        "parameters, for balancing methods that need no gradients per task.",
        Option(str, "NAME", "how processes train: ddp or fsdp", commands=TRAIN), decides=Decides.ROUNDING,
    )] = "ddp"  # fmt: skip

    title: ClassVar[str] = "Training"
    section: ClassVar[str] = "training"
    EXPECTED: ClassVar[dict[str, str]] = {
        "freeze": "a part, or a list of parts and {part: name, until: epoch}",
        "parts": "{part: {learning_rate, weight_decay, schedule or warmup: value}}",
    }

    @model_validator(mode="after")
    def _training_fits_together(self) -> TrainingSettings:
        if type(self) is TrainingSettings and (problems := [*self.training_problems()]):
            raise UserError(*problems)
        return self

    def training_problems(self) -> Iterator[str]:
        """Mistakes of keys against each other."""
        yield from without_effect(self)
        yield from sampling_problems(self.sampling)
        if self.steps is not None and self.epochs is not None:
            yield f"give steps or epochs, not both; found steps={self.steps} and epochs={self.epochs}"
        for entry in map(Freeze.of, self.freeze):
            yield from (f"freeze {entry.part}: {problem}" for problem in range_problems(entry))
        for part, pace in self.parts.items():
            if pace == Pace():
                yield f"parts {part}: is empty; give {', '.join(vars(pace))}"
            yield from (f"parts {part}: {problem}" for problem in range_problems(pace))

    def resolve(self, rows: int) -> TrainingSettings:
        """The same with every default decided for this number of training rows.

        Example:
            >>> settings = TrainingSettings().resolve(rows=5000)
            >>> settings.batch_size, settings.steps, settings.evaluate_every
            (64, 3160, 53)
            >>> settings.most_steps
            12640
        """
        batch = self.batch_size or min(512, max(32, 2 ** int(math.log2(max(1, rows / 50)))))
        batch = min(batch, rows)
        epoch = math.ceil(rows / batch)
        if self.steps is not None:
            steps = self.steps
        elif self.epochs is not None:
            steps = math.ceil(self.epochs * epoch)
        else:
            steps = min(20_000, max(2_000, 40 * epoch))
        every = self.evaluate_every or math.ceil(steps / 60)
        given = self.steps is not None or self.epochs is not None or self.schedule != "constant"
        most = max(steps, self.most_steps or (steps if given else LONGER * steps))
        changes = {"steps": steps, "epochs": None, "most_steps": most, "batch_size": batch,
                   "evaluate_every": min(every, steps)}  # fmt: skip
        return self.model_copy(update=changes)


def sampling_problems(sampling: Any) -> list[str]:
    """Problems with how rows of several data sets are to be drawn, as sentences.

    Example:
        >>> sampling_problems("equall"), sampling_problems((1, 3))
        (["sampling: 'equall' is not known; did you mean 'equal'?, or give ratios"], [])
    """
    if isinstance(sampling, str):
        hint = did_you_mean(sampling, SAMPLING)
        return [] if sampling in SAMPLING else [f"sampling: {sampling!r} is not known; {hint}, or give ratios"]
    ratios = sampling if isinstance(sampling, list | tuple) else [sampling]
    return [Range(more=True).problem("sampling: a ratio", ratio) for ratio in ratios if ratio not in Range(more=True)]


def select_by_problems(select_by: str, tasks: Sequence[str]) -> list[str]:
    """Problems with a criterion, as sentences."""
    known = [*SELECT_BY, *(MAIN + task for task in tasks)]
    if select_by in known:
        return []
    return [f"select_by: {select_by!r} is no criterion; {did_you_mean(select_by, known)}"]
