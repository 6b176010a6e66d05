"""How affinity is measured: the section ``affinity``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

from ..errors import raise_all
from ..ranges import Count, Range, range_problems
from .key import Key, Option, documented, without_effect
from .training import STRICT

Estimator = Literal["auto", "cosine", "factored", "gramian", "lookahead", "representation"]
Lookahead = Literal["sgd", "momentum", "optimizer"]

#: Options of single estimators.
OF_ESTIMATOR = ("lookahead", "rows", "refresh")


@documented
@dataclass
class AffinityOptions:
    """How affinity is measured; see :class:`polytask.AffinityProbe`."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    estimator: Annotated[Estimator, Key(
        "What is measured; `auto`: the first of `factored` and `gramian` that fits the network.",
        Option(str, "NAME", "auto, cosine, factored, gramian, lookahead or representation", commands=("affinity",)),
    )] = "auto"  # fmt: skip
    every: Annotated[int | None, Range(1, whole=True), Key(
        "Steps between probes. Default: set by the estimator.",
        Option(int, "N", "steps between probes", commands=("affinity",)),
    )] = None  # fmt: skip
    start: Annotated[int, Range(whole=True), Key("First step that may be probed.")] = 0
    stop: Annotated[Count | Literal["never", "confident"] | None, Key(
        "Step at which probing ends; `confident`: once the affinity is precise enough for the choice.",
    )] = "never"  # fmt: skip
    lookahead: Annotated[Lookahead | None, Key(
        "Step that estimators `lookahead` and `gramian` follow. Default: sgd.",
        needs={"estimator": ("lookahead", "gramian")},
    )] = None  # fmt: skip
    rows: Annotated[int | None, Range(1, whole=True), Key(
        "Samples whose Jacobians are taken.", needs={"estimator": ("factored",)},
    )] = None  # fmt: skip
    refresh: Annotated[int | None, Range(1, whole=True), Key(
        "Steps between their samplings.", needs={"estimator": ("factored",)},
    )] = None  # fmt: skip

    def __post_init__(self) -> None:
        problems = range_problems(self)
        if isinstance(self.stop, int) and self.stop <= self.start:
            problems.append(f"expected start < stop, found start={self.start} and stop={self.stop}")
        raise_all([f"affinity: {problem}" for problem in [*problems, *without_effect(self)]])

    def options(self) -> dict[str, Any]:
        """Arguments of :class:`polytask.AffinityProbe`: what is not left to its default."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in given.items() if value not in (None, "never")}

    def of_estimator(self) -> dict[str, Any]:
        """Those that are given to the estimator itself."""
        return {name: value for name in OF_ESTIMATOR if (value := getattr(self, name)) is not None}
