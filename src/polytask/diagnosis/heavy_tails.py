"""Numbers of which few are far from all others."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from ..config.target import for_target
from ..records.run import Run
from ..task.kinds import KINDS
from ..task.units import AUTO
from .advice import of_target, quoted
from .finding import Finding

#: A label this many times the middle half's width beyond it is far away; of normal numbers none is beyond 4.
FAR = 15.0
#: Metrics of absolute errors, which few rows do not dominate.
ABSOLUTE = ("mae", "pinball")


def heavy_tails(run: Run) -> Iterator[Finding]:
    """Targets whose squared error is that of a few rows, if they are learned as they are."""
    known = run.log.overview.get("targets") or {}
    by_remedy: dict[str, list[str]] = {}
    for task in run.tasks:
        if task in known and _far(known[task]) > FAR and _as_it_is(run, task, known[task]):
            by_remedy.setdefault(_remedy(run, task, known[task]["quantiles"]), []).append(task)
    for remedy, tasks in by_remedy.items():
        quantiles = {task: known[task]["quantiles"] for task in tasks[:5]}
        seen = "; ".join(
            f"{task}: half of the labels are from {q[1]:.4g} to {q[3]:.4g}, the least is {q[0]:.4g}, the largest "
            f"{q[4]:.4g}"
            for task, q in quantiles.items()
        )
        if remedy == "mae":
            what = "no other scale is better for the metric on validation: let the absolute error decide "
            what += f"({quoted('--metric ' + shlex.quote(f'{tasks[0]}=mae'))})"
        else:
            what = f"learn on another scale ({quoted(of_target('transform', tasks[0], remedy))})"
        advice = f"the squared error is dominated by a few rows: {what}, or check these labels for mistakes"
        yield Finding("heavy tail", tuple(tasks), seen, advice)


def _far(entry: dict[str, Any]) -> float:
    """Distance of the farthest label from the middle half, in widths of it; 0 where that is unknown."""
    quantiles: Sequence[float] = entry.get("quantiles") or []
    if len(quantiles) != 5 or not quantiles[3] > quantiles[1]:
        return 0.0
    least, low, _, high, largest = quantiles
    return float(max(largest - high, low - least) / (high - low))


def _as_it_is(run: Run, task: str, entry: dict[str, Any]) -> bool:
    result = run.results["tasks"].get(task) or {}
    kind = result.get("kind")
    return (
        kind in KINDS
        and KINDS[kind].transformable
        and result.get("metric") not in ABSOLUTE
        and not entry.get("transform")
        and _asked(run, task) in ("none", AUTO)
    )


def _remedy(run: Run, task: str, quantiles: Sequence[float]) -> str:
    """The scale to try; after ``auto``, which has tried them, another metric."""
    if _asked(run, task) == AUTO:
        return "mae"
    return "log" if quantiles[0] >= 0 else "quantile"


def _asked(run: Run, task: str) -> str:
    return str(for_target(run.config.get("transform") or AUTO, task, AUTO))
