"""The key `from`: tasks are added to the networks of a finished run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import Config

#: Keys that the finished run has decided, or that say how networks are chosen and trained from nothing.
DECIDED = (
    "features", "ignore", "column_kind", "stream", "networks", "grouping", "groups", "max_size", "together", "apart",
    "max_cost", "start", "distill", "teachers", "network_settings", "sharing", "sharing_options", "affinity", "jobs",
)  # fmt: skip
#: The part that is frozen where nothing of the old networks may move.
WHOLE = ("encoder", "shared")


def adding_problems(config: Config) -> Iterator[str]:
    """Keys that have no effect with ``from``, or without it."""
    if config.from_run is None:
        if config.into is not None:
            yield "into: has an effect only with from: RUN"
        return
    if not isinstance(config.data, str):
        yield "from: tasks are added from one table, found several data sets; put them into one"
    fields = type(config).model_fields
    for key in DECIDED:
        default = fields[key].get_default(call_default_factory=True)
        if getattr(config, key) != default:
            yield f"{key}: has no effect with from: the networks and columns are those of that run; leave it out"
    if frozen_whole(config):
        for key in ("freeze", "parts"):
            more = len(getattr(config, key)) - (key == "freeze")
            if more:
                yield f"{key}: only heads are trained where the whole encoder is frozen; leave the others out"


def frozen_whole(config: Config) -> bool:
    """Whether the old networks are to stay as they are, all of them and for good."""
    named = [entry if isinstance(entry, str) else entry.part for entry in config.freeze
             if isinstance(entry, str) or entry.until is None]  # fmt: skip
    return any(part in WHOLE for part in named)
