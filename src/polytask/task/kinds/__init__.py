"""The kinds of targets, by name: every module here and in ``arrays`` is one, its ``KIND``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module

from ..kind import Kind
from ..metrics import Metric
from ..names import ARRAY_KINDS, TABLE_KINDS


def _kinds() -> Iterator[Kind]:
    for module in (*TABLE_KINDS, *(f"arrays.{name}" for name in ARRAY_KINDS)):
        yield import_module(f"{__name__}.{module}").KIND


KINDS: dict[str, Kind] = {kind.name: kind for kind in _kinds()}


def _metrics() -> Iterator[Metric]:
    found = {metric.name: metric for kind in KINDS.values() for metric in kind.metrics}
    for metric in found.values():
        yield replace(metric, kinds=tuple(kind.name for kind in KINDS.values() if metric in kind.metrics))


#: Metrics by name; more may be added, each naming the kinds that it fits.
METRICS: dict[str, Metric] = {metric.name: metric for metric in _metrics()}
#: Names of the distances to a teacher's outputs; a kind that does not know one keeps its own distance.
SOFT_LOSSES = ("own", *dict.fromkeys(name for kind in KINDS.values() for name in kind.soft_losses))
