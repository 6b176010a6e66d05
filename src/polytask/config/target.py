"""The keys that say how single targets are learned, measured and predicted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from ..errors import did_you_mean
from ..ranges import Range
from . import texts
from .key import TRAIN, Key, Option
from .section import Section

if TYPE_CHECKING:
    from .config import Config


def _off(value: Any) -> Any:
    """YAML reads a bare off as False."""
    return "off" if value is False else value


def _class_name(value: Any) -> Any:
    """YAML reads a bare yes as True."""
    if isinstance(value, bool):
        raise ValueError("expected the name of a class in quotation marks, such as {'yes': 5}")
    return value


Transform = Literal["log", "quantile", "auto", "none"]
Threshold = Annotated[
    Literal["auto", "off"] | Annotated[float, Range(0, 1, more=True, less=True)], BeforeValidator(_off)
]
Calibration = Annotated[Literal["auto", "off"], BeforeValidator(_off)]
ClassName = Annotated[str, BeforeValidator(_class_name)]
ClassWeights = Literal["balanced"] | dict[ClassName, Annotated[float, Range(0, more=True)]]
Bounds = Literal["none"] | tuple[float | None, float | None]


def _with_commas(value: Any) -> Any:
    """Lists of metrics as texts with commas."""
    if not isinstance(value, Mapping):
        return value
    return {name: ",".join(map(str, one)) if isinstance(one, list | tuple) else one for name, one in value.items()}


class TargetKeys(Section):
    """Single targets."""

    title: ClassVar[str] = "Single targets"
    section: ClassVar[str] = "data"

    metric: Annotated[dict[str, str], BeforeValidator(_with_commas), Key(
        "Metrics of a target, such as {click: roc_auc,brier}: the first decides what is best, all are reported.",
        Option(list[str], "TARGET=METRICS", "metrics of a target: the first decides, all are reported; "
               "repeatable", texts.pairs, commands=TRAIN),
    )] = {}  # noqa: RUF012  # fmt: skip
    class_weights: Annotated[Literal["balanced"] | dict[str, ClassWeights], Key(
        "Weights of training rows by class: balanced, {target: balanced} or {target: {class: number}}.",
        Option(list[str], "[TARGET=]WEIGHTS", "weights of rows by class: balanced, TARGET=balanced or "
               "'TARGET={CLASS: NUMBER}'; repeatable", texts.values, commands=TRAIN),
    )] = {}  # noqa: RUF012  # fmt: skip
    focal: Annotated[dict[str, Annotated[float, Range(0)]], Key(
        "Focal loss for targets with classes, with this gamma, such as {click: 2}.",
        Option(list[str], "TARGET=GAMMA", "focal loss of a target with classes; repeatable", texts.values,
               commands=TRAIN),
    )] = {}  # noqa: RUF012  # fmt: skip
    threshold: Annotated[Threshold | dict[str, Threshold], Key(
        "Probability at which the second of two classes is predicted; auto: chosen on validation if that is "
        "better than 0.5 beyond chance; off: 0.5.",
        Option(list[str], "[TARGET=]NUMBER", "probability at which the second of two classes is predicted; auto "
               "or off; repeatable", texts.values),
    )] = "auto"  # fmt: skip
    calibration: Annotated[Calibration | dict[str, Calibration], Key(
        "Whether probabilities of targets with classes, and the spread of predicted numbers, are calibrated by a "
        "temperature; auto: chosen on validation where that lowers the loss beyond chance.",
    )] = "auto"  # fmt: skip
    interval: Annotated[Annotated[float, Range(0, 1, more=True, less=True)] | None, Key(
        "Share of the rows that prediction intervals and sets are to hold, such as 0.9: predict gives them, and "
        "results have their coverage on the test rows.",
        Option(float, "SHARE", "coverage of prediction intervals and sets, such as 0.9"),
    )] = None  # fmt: skip
    transform: Annotated[Transform | dict[str, Transform], Key(
        "Scale on which numbers are learned: log, quantile; auto: that by which skewed targets gain on validation; "
        "none: the labels'.",
        Option(list[str], "[TARGET=]SCALE", "scale on which numbers are learned: log, quantile, auto, none; repeatable",
               texts.values, commands=TRAIN),
    )] = "auto"  # fmt: skip
    bounds: Annotated[dict[str, Bounds], Key(
        "Lower and upper bound of the predictions of a target, such as {cost: [0, 100]}, or none; by default at "
        "least 0 if no training value is below.",
        Option(list[str], "TARGET=[LOW,HIGH]", "lower and upper bound of predictions, or TARGET=none; repeatable",
               texts.values),
    )] = {}  # noqa: RUF012  # fmt: skip


def metrics_of(config: Config, name: str) -> tuple[str, ...]:
    """All metrics that are asked for, none if none is."""
    return tuple(part.strip() for part in config.metric.get(name, "").split(",") if part.strip())


def first_metrics(config: Config) -> dict[str, str]:
    """The metrics that decide, of targets for which any is given."""
    return {name: found[0] for name in config.metric if (found := metrics_of(config, name))}


def for_target(value: Any, name: str, default: Any) -> Any:
    """What a key that takes one value for all targets, or ``{target: value}``, states about a target."""
    return value.get(name, default) if isinstance(value, Mapping) else value


def bounds_of(config: Config, name: str) -> tuple[float | None, float | None]:
    """Least and largest prediction; infinite where none is wanted, None where it follows from the training values."""
    given = config.bounds.get(name)
    if given is None:
        return None, None
    if given == "none":
        return -math.inf, math.inf
    low, high = given
    return -math.inf if low is None else low, math.inf if high is None else high


def target_problems(config: Config) -> Iterator[str]:
    """Targets that are none, and keys that do not combine."""
    for key in ("class_weights", "focal", "threshold", "transform", "bounds"):
        named = getattr(config, key)
        for target in named if isinstance(named, Mapping) else ():
            if target not in config.targets:
                yield f"{key}: {target!r} is not a target; {did_you_mean(target, config.targets)}"
    for name in config.focal:
        if name in config.losses:
            yield f"focal: {name!r} has losses, too; give losses {{{name}: {{focal: 1}}}} or focal, not both"
    for name, given in config.bounds.items():
        if given != "none" and None not in given and not given[0] < given[1]:  # type: ignore[operator]
            yield f"bounds: {name}: the lower one has to be below the upper one, found {list(given)}"
