"""Classes that are never predicted right, which the metric does not show."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from ..config.target import for_target
from ..records.run import Run
from .advice import of_target, quoted
from .finding import Finding

#: A metric that each class counts in alike.
BY_CLASS = "balanced_accuracy"


def useless_classes(run: Run) -> Iterator[Finding]:
    """Targets with a class of which no validation row is predicted right (recall 0)."""
    found = {task: entry for task, entry in run.results["tasks"].items() if entry.get("missed_classes")}
    if not found:
        return
    seen = "; ".join(_said(task, entry) for task, entry in list(found.items())[:5])
    task, entry = next(iter(found.items()))
    metrics = ",".join(dict.fromkeys((BY_CLASS, entry["metric"])))
    settings = [f"--metric {shlex.quote(f'{task}={metrics}')}"]
    if not for_target(run.config.get("class_weights") or {}, task, None):
        settings.insert(0, of_target("class_weights", task, "balanced"))
    yield Finding(
        "useless class",
        tuple(found),
        seen,
        "give rows of rare classes more weight, or use a metric that counts every class equally: "
        + " or ".join(map(quoted, settings)),
    )


def _said(task: str, entry: dict[str, Any]) -> str:
    missed = list(entry["missed_classes"].items())[:3]
    classes = ", ".join(f"{name!r} ({rows:,} rows)" for name, rows in missed)
    value = entry.get("validation")
    shown = "" if value is None else f", while {entry['metric']} is {value:.3g}"
    return f"{task}: no validation row of class {classes} is predicted right{shown}"
