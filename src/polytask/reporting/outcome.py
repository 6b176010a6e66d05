"""What came out for each task, and how it compares: the numbers behind the table and the summary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..records.run import Run
from ..records.values import number
from ..task.gain import Gain, arrow, gain, mean_relative, sign
from .numbers import percent, places, shown

BASELINES = {"linear": "linear", "single_task": "single-task", "all_in_one": "plain network", "before": "earlier"}
"""Key in the results -> what the report calls it."""
MODELS = {
    "linear": "linear models",
    "single_task": "single-task models",
    "all_in_one": "one plain network for all",
    "before": "the networks of the earlier run",
}
"""The same in a sentence."""
EXPLAINED = {
    "linear": "a linear model of the same features",
    "single_task": "a separate network for every task",
    "all_in_one": "one plain network for all tasks",
    "before": "the networks of the earlier run",
}
"""The same explained."""


@dataclass(frozen=True)
class Pair:
    """A metric on the validation and on the test split; None where it is undefined."""

    validation: float | None
    test: float | None


@dataclass(frozen=True)
class Further:
    """A metric on the test split that nothing is decided by."""

    name: str
    value: float | None
    trivial: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Row:
    """One task of the results table."""

    task: str
    kind: str
    metric: str
    direction: str
    ours: Pair
    others: dict[str, Pair]
    gains: dict[str, Gain | None]
    networks: list[int]
    converged_epoch: float | None
    peak: float | None
    kept: float | None
    trivial: float | None = None
    interval: tuple[float, float] | None = None
    learned: bool = True
    further: tuple[Further, ...] = ()
    coverage: str = ""

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return arrow(self.direction)

    @property
    def decimals(self) -> int:
        """Decimals for every number of this task: as many as its interval leaves room for."""
        pairs = [self.ours, *self.others.values()]
        most = places([value for pair in pairs for value in (pair.validation, pair.test)]) + 1
        half = 0.0 if self.interval is None else (self.interval[1] - self.interval[0]) / 2
        return min(most, max(0, 1 - math.floor(math.log10(half)))) if half > 0 else max(0, most - 1)

    @property
    def kept_at_most_all(self) -> float | None:
        """Share of the peak that is kept; all of it where the value is better than the peak."""
        return None if self.kept is None else min(1.0, self.kept)

    @property
    def beats_constant(self) -> bool:
        """Whether the test value is better than that of a constant prediction, as far as its interval tells."""
        if self.ours.test is None or self.trivial is None:
            return False
        worst = self.ours.test if self.interval is None else self.interval[self.direction == "min"]
        return sign(self.direction) * (worst - self.trivial) > 0


def rows(run: Run) -> list[Row]:
    """One row per task, in the order of the results; none while the run is not finished."""
    baselines, trivial = run.results.get("baselines") or {}, run.trivial
    present = [name for name in BASELINES if isinstance(baselines.get(name), dict) and baselines[name]]
    return [
        _row(task, result, {name: baselines[name].get(task) for name in present}, trivial.get(task),
             run.networks_of(task))
        for task, result in run.results.get("tasks", {}).items()
    ]  # fmt: skip


@dataclass(frozen=True)
class Tally:
    """Ours against one other over all tasks; ``left_out``: those where the other is no scale for a relative gain."""

    other: str
    better: int
    equal: int
    worse: int
    mean_relative: float | None
    left_out: int = 0

    @property
    def compared(self) -> int:
        """Tasks where both have a defined value."""
        return self.better + self.equal + self.worse


def tallies(table: Sequence[Row]) -> list[Tally]:
    """How often ours is better, equal or worse, for every other that was run."""
    return [_tally(name, [row.gains[name] for row in table]) for name in (table[0].others if table else ())]


def _tally(name: str, gains: Sequence[Gain | None]) -> Tally:
    verdicts = [gain.verdict for gain in gains if gain]
    better, equal, worse = (verdicts.count(verdict) for verdict in ("better", "equal", "worse"))
    left_out = sum(gain is not None and gain.relative is None for gain in gains)
    return Tally(MODELS[name], better, equal, worse, mean_relative(gains), left_out)


def _row(
    task: str, result: dict[str, Any], baselines: dict[str, Any], trivial: float | None, networks: list[int]
) -> Row:
    ours, direction = _pair(result), str(result.get("direction") or "")
    others = {name: _pair(values) for name, values in baselines.items()}
    gains = {
        name: gain(ours.test, pair.test, direction, trivial, _interval(baselines[name], "gain_interval"))
        for name, pair in others.items()
    }
    return Row(
        task=task,
        kind=str(result.get("kind") or ""),
        metric=str(result.get("metric") or ""),
        direction=direction,
        ours=ours,
        others=others,
        gains=gains,
        trivial=trivial,
        interval=_interval(result, "interval"),
        learned=result.get("learned") is not False,
        networks=networks,
        converged_epoch=number(result.get("converged_epoch")),
        peak=number(result.get("peak")),
        kept=number(result.get("kept")),
        further=_further(result),
        coverage=_coverage(result.get("coverage")),
    )


def _coverage(found: Any) -> str:
    r"""How often prediction intervals or sets hold the label, in words; empty where nobody asked.

    Example:
        >>> _coverage({"level": 0.9, "share": 0.92, "interval": [0.88, 0.95], "size": 4.2}).replace("\xa0", " ")
        '90 % intervals hold 92 % of the test labels (88 % to 95 %); mean width 4.20'
    """
    known = found if isinstance(found, dict) else {}
    level, share, size = (number(known.get(key)) for key in ("level", "share", "size"))
    ends = _interval(known, "interval")
    if level is None or share is None or ends is None:
        return ""
    form, measure = ("sets", "size") if known.get("form") == "sets" else ("intervals", "width")
    mean = "infinite: too few validation rows"
    if size is not None:
        mean = f"mean {measure} {shown(size, max(0, places([size]) - 1))}"
    held, low, high = (percent(one, int(ends[1] - ends[0] < 0.02)) for one in (share, *ends))
    return f"{percent(level, 0)} {form} hold {held} of the test labels ({low} to {high}); {mean}"


def _further(result: dict[str, Any]) -> tuple[Further, ...]:
    """The metrics that nothing is decided by."""
    measured, intervals, trivials = (result.get(key) for key in ("metrics", "intervals", "trivials"))
    if not isinstance(measured, dict) or not isinstance(intervals, dict):
        return ()
    levels = trivials if isinstance(trivials, dict) else {}
    return tuple(
        Further(name, number(value), number(levels.get(name)), _interval(intervals, name))
        for name, value in measured.items()
        if name != result.get("metric")
    )


def _interval(values: Any, key: str) -> tuple[float, float] | None:
    found = values.get(key) if isinstance(values, dict) else None
    bounds = [number(value) for value in found] if isinstance(found, list) else []
    low, high = bounds if len(bounds) == 2 else (None, None)
    return None if low is None or high is None else (low, high)


def _pair(values: Any) -> Pair:
    values = values if isinstance(values, dict) else {}
    return Pair(number(values.get("validation")), number(values.get("test")))
