"""Numbers of which few are far from all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..config.target import for_target
from ..records.run import Run
from ..task.kinds import KINDS
from .advice import of_target, quoted
from .finding import Finding

#: A label this many times the middle half's width beyond it is far away; of normal numbers none is beyond 4.
FAR = 15.0


def heavy_tails(run: Run) -> Iterator[Finding]:
    """Targets whose squared error is that of a few rows, if they are learned as they are."""
    known = run.log.overview.get("targets") or {}
    found = [(task, entry["quantiles"]) for task, entry in known.items() if task in run.tasks and _far(entry) > FAR]
    found = [(task, quantiles) for task, quantiles in found if _as_it_is(run, task)]
    for scale, own in (("log", [f for f in found if f[1][0] >= 0]), ("quantile", [f for f in found if f[1][0] < 0])):
        if own:
            seen = "; ".join(
                f"{task}: half of the labels are from {q[1]:.4g} to {q[3]:.4g}, the least is {q[0]:.4g}, the largest "
                f"{q[4]:.4g}"
                for task, q in own[:5]
            )
            yield Finding(
                "heavy tail",
                tuple(task for task, _ in own),
                seen,
                "the squared error is dominated by a few rows: learn on another scale "
                f"({quoted(of_target('transform', own[0][0], scale))}), or check these labels for mistakes",
            )


def _far(entry: dict[str, Any]) -> float:
    """Distance of the farthest label from the middle half, in widths of it; 0 where that is unknown."""
    quantiles: Sequence[float] = entry.get("quantiles") or []
    if len(quantiles) != 5 or not quantiles[3] > quantiles[1]:
        return 0.0
    least, low, _, high, largest = quantiles
    return float(max(largest - high, low - least) / (high - low))


def _as_it_is(run: Run, task: str) -> bool:
    kind = (run.results["tasks"].get(task) or {}).get("kind")
    return (
        kind in KINDS
        and KINDS[kind].transformable
        and for_target(run.config.get("transform") or "none", task, "none") == "none"
    )
