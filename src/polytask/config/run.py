"""What a run consists of, and the processes that train it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..ranges import Range, seconds_of
from . import texts
from .key import TRAIN, Decides, Key, Option, is_given, keys_of
from .preset import with_preset
from .section import Section

if TYPE_CHECKING:
    from .config import Config

#: The part that is frozen where nothing of the old networks may move.
WHOLE = ("encoder", "shared")


class RunKeys(Section):
    """Run."""

    title: ClassVar[str] = "Run"
    section: ClassVar[str] = "run"

    from_run: Annotated[str | None, Field(alias="from"), Key(
        "Finished run whose networks learn further: targets that it has not are added.",
        Option(str, "RUN", "add the targets to the networks of this finished run"), decides=Decides.PLACE,
    )] = None  # fmt: skip
    into: Annotated[int | None, Range(0, whole=True), Key(
        "Network of `from` that new targets join. Default: the one whose features suit them best.",
    )] = None  # fmt: skip
    baselines: Annotated[bool, Key(
        "Also train single-task models and one plain network for all.",
        Option(bool, "", "train single-task models and one plain network as baselines"),
    )] = True  # fmt: skip
    max_baselines: Annotated[int, Range(0, whole=True), Key(
        "Maximum number of single-task baselines; with more targets, a random subset of this size is trained.",
        of_first_run=True,
    )] = 30  # fmt: skip
    preset: Annotated[Literal["fast", "good", "best"], Key(
        "fast: one network and nothing to compare with; good: the defaults; best: also `ensemble: 5` and `candidates` "
        "of all families. Other keys that are given count more.",
        Option(str, "WORD", "fast: one network; good; best: an ensemble with trees and linear models"),
        of_first_run=True,
    )] = "good"  # fmt: skip
    candidates: Annotated[tuple[Literal["networks", "trees", "linear"], ...], Key(
        "What may serve a target: networks; trees: forests and gradient boosting per target; linear: "
        "a linear model per target. Their mean is served, with shares that held-out rows decide.",
        Option(str, "NAMES", "what may serve a target: networks,trees,linear", texts.names), of_first_run=True,
    )] = ("networks",)  # fmt: skip
    ensemble: Annotated[int, Range(1, 32, whole=True), Key(
        "Number of networks for all targets, each trained on different folds; their mean is served.",
        Option(int, "N", "number of networks on different folds, whose mean is served"), of_first_run=True,
    )] = 1  # fmt: skip
    time_limit: Annotated[str | float | None, Key(
        "Time limit of the run, such as 10m; the best networks found within it are served. Default: no limit.",
        Option(str, "TIME", "time limit of the run, such as 10m or 1h30m"), of_first_run=True,
    )] = None  # fmt: skip
    seed: Annotated[int, Range(0, 2**63 - 1, whole=True), Key(
        "Random seed for split, weights and order.",
        Option(int, "N", "random seed for split, weights and row order", commands=TRAIN),
    )] = 0  # fmt: skip
    jobs: Annotated[int, Range(1, 1024, whole=True), Key(
        "Number of networks that train in parallel, each in a separate process with one thread.",
        Option(int, "N", "networks trained in parallel, one process each"),
        decides=Decides.NOTHING, of_first_run=True,
    )] = 1  # fmt: skip
    devices: Annotated[int, Range(1, 1024, whole=True), Key(
        "Processes per machine that train each network; one per GPU.",
        Option(int, "N", "processes per machine that train each network, one per GPU", commands=TRAIN),
        decides=Decides.ROUNDING,
    )] = 1  # fmt: skip
    nodes: Annotated[int, Range(1, 65536, whole=True), Key(
        "Machines on which the same command is started.", Option(int, "N", commands=TRAIN), decides=Decides.ROUNDING,
    )] = 1  # fmt: skip
    report_to: Annotated[tuple[Literal["tensorboard", "mlflow"], ...], Key(
        "Loggers that also receive the training's events: tensorboard, mlflow.",
        Option(str, "NAMES", "tensorboard, mlflow, or both, separated by a comma", texts.names),
        decides=Decides.NOTHING,
    )] = ()  # fmt: skip
    note: Annotated[str, Key(
        "Text at the head of the report, such as what the run is for.",
        Option(str, "TEXT", "text at the head of the report"), decides=Decides.NOTHING,
    )] = ""  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        return with_preset(values)


def run_problems(config: Config) -> Iterator[str]:
    """Keys of a run that do not combine."""
    if config.jobs > 1 and config.devices * config.nodes > 1:
        yield (
            f"jobs: networks train side by side ({config.jobs}), or several processes train each of them "
            f"(devices: {config.devices}, nodes: {config.nodes}), not both; set one of them to 1"
        )
    yield from _time_problems(config)
    yield from _candidate_problems(config)
    if config.from_run is None:
        if config.into is not None:
            yield "into: has an effect only with from: RUN"
        return
    if not isinstance(config.data, str):
        yield "from: tasks are added from one table, found several data sets; put them into one"
    for name, key in keys_of(type(config)).items():
        if key.of_first_run and is_given(config, name):
            yield f"{name}: has no effect with from: the networks and columns are those of that run; leave it out"
    if frozen_whole(config):
        for name in ("freeze", "parts"):
            if len(getattr(config, name)) - (name == "freeze"):
                yield f"{name}: only heads are trained where the whole encoder is frozen; leave the others out"


def _candidate_problems(config: Config) -> Iterator[str]:
    """Candidates without networks, or where they are not trained side by side."""
    if "networks" not in config.candidates:
        yield f"candidates: networks are always among them, found {', '.join(config.candidates)}; add them"
    beyond = config.ensemble > 1 or len(set(config.candidates)) > 1
    name = config.distill.get("name") if isinstance(config.distill, dict) else config.distill
    if name == "best" and not beyond:
        yield "distill: best learns from candidates; add --candidates, --ensemble or --preset best"
    if (name == "best" and not isinstance(config.split, tuple)) or (
        name == "best" and (config.group or config.time or config.held_files or config.folds)
    ):
        yield ("distill: best learns from predictions for training rows that chance has held out; it does not go with "
               "a split column, group, time, validation, test and folds; leave it out")  # fmt: skip
    if beyond and config.devices * config.nodes > 1:
        yield "candidates, ensemble: one process trains them; set devices and nodes to 1, or leave them out"
    if beyond and (config.together or config.apart or config.max_size or config.max_cost is not None):
        yield ("candidates, ensemble: networks for all targets and models of single ones are served, which does not go "
               "with together, apart, max_size and max_cost; leave one of them out")  # fmt: skip


def _time_problems(config: Config) -> Iterator[str]:
    """A time limit that is none, or that does not fit the rest."""
    if config.time_limit is None:
        return
    try:
        seconds_of(config.time_limit)
    except ValueError as error:
        yield f"time_limit: {error}"
    if config.teachers is not None:
        yield "time_limit: does not go with teachers, whose steps are given; leave one of them out"
    if getattr(config, "folds", None) is not None:
        yield "time_limit: does not go with folds, whose trainings are not planned; leave one of them out"


def frozen_whole(config: Any) -> bool:
    """Whether the old networks are to stay as they are, all of them and permanently."""
    named = [entry if isinstance(entry, str) else entry.part for entry in config.freeze
             if isinstance(entry, str) or entry.until is None]  # fmt: skip
    return any(part in WHOLE for part in named)
