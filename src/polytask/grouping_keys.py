"""What can be wrong with the keys of a configuration that say how tasks are grouped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .errors import UserError, did_you_mean
from .grouping.affinity import AUTO
from .grouping.baselines import GROUPINGS
from .grouping.baselines.given import group_problems
from .grouping.baselines.random_groups import random_problems
from .grouping.confidence import check_confidence

if TYPE_CHECKING:
    from .config import Config


def grouping_problems(config: Config) -> list[str]:
    """All mistakes in the keys of the choice of networks, also where a key would have no effect."""
    problems: list[str] = []
    count = len(config.targets)
    if config.grouping not in GROUPINGS:
        return [*problems, f"grouping: unknown way {config.grouping!r}; {did_you_mean(config.grouping, GROUPINGS)}"]
    if config.grouping == "random" and isinstance(config.networks, int) and config.networks > 1:
        problems += random_problems(config.targets, min(config.networks, count), config.max_size)
    if config.grouping == "given":
        problems += group_problems(config.targets, config.groups)
    if config.affinity.stop == "confident":
        try:
            check_confidence(count)
        except UserError as error:
            problems += error.problems
    return [*problems, *_without_effect(config), *_unknown_names(config)]


def _without_effect(config: Config) -> Iterator[str]:
    grouping, count = GROUPINGS[config.grouping], len(config.targets)
    chosen = config.networks not in (1, "single_task")
    if config.grouping != "tag" and not chosen:
        yield f"grouping: has an effect only with networks auto or above 1, found {config.networks}"
    if not grouping.chooses and isinstance(config.networks, int) and chosen:
        yield f"networks: has no effect with grouping: {config.grouping}; leave it at auto"
    if grouping.estimator and config.affinity.estimator not in (AUTO, grouping.estimator):
        yield f"affinity.estimator: has no effect with grouping: {config.grouping}, found {config.affinity.estimator!r}"
    yield from _without_measuring(config, chosen and count > 1 and "affinity" in grouping.needs)
    if config.groups and config.grouping != "given":
        yield f"groups: has an effect only with grouping: given, found {config.grouping!r}"
    if config.start == "measured" and config.sharing != "hard":
        yield f"start: measured weights are of a network with hard sharing, found sharing: {config.sharing!r}"
    for key in ("max_size", "together", "apart"):
        if getattr(config, key) and not (chosen and key in grouping.heeds):
            yield f"{key}: has no effect with grouping: {config.grouping} and networks: {config.networks}"
    if config.max_cost is not None and (config.networks != "auto" or not grouping.chooses):
        yield "max_cost: has an effect only where networks: auto chooses"


def _without_measuring(config: Config, measured: bool) -> Iterator[str]:
    found = f"grouping: {config.grouping}, networks: {config.networks} and {len(config.targets)} targets"
    for what, given in (
        ("affinity: has an effect only where networks are chosen by it", config.affinity != type(config.affinity)()),
        ("start: measured needs a training for all tasks that measures affinity", config.start == "measured"),
    ):
        if given and not measured:
            yield f"{what}; found {found}"


def _unknown_names(config: Config) -> Iterator[str]:
    for key in ("together", "apart"):
        for name in [name for group in getattr(config, key) for name in group if name not in config.targets]:
            yield f"{key}: {name!r} is not a target; {did_you_mean(name, config.targets)}"
