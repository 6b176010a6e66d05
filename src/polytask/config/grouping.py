"""Which networks there are, and which tasks each of them holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from ..errors import did_you_mean
from ..ranges import Range
from . import texts
from .affinity import AffinityOptions
from .key import Key, Option, is_given
from .section import Section, problems_of

if TYPE_CHECKING:
    from .config import Config

Grouping = Literal[
    "tag", "cosine", "hoa", "grad_tag", "stg", "exhaustive", "random", "given", "all_in_one", "one_per_task"
]


class GroupingKeys(Section):
    """Grouping."""

    title: ClassVar[str] = "Grouping"
    section: ClassVar[str] = "grouping"

    networks: Annotated[Literal["auto", "single_task"] | int, Key(
        "Maximum number of networks; 1: one network for all targets; single_task: one per target.",
        Option(str, "N", "maximum number of networks; or auto, or single_task", texts.number_or_word),
        of_first_run=True,
    )] = "auto"  # fmt: skip
    grouping: Annotated[Grouping, Key(
        "How tasks are grouped.",
        Option(str, "NAME",
               "tag, cosine, hoa, grad_tag, stg, exhaustive, random, given, all_in_one or one_per_task"),
        of_first_run=True, inside="name",
    )] = "tag"  # fmt: skip
    groups: Annotated[tuple[tuple[str, ...], ...], Key(
        "The tasks of each network.",
        Option(str, "GROUPS", '"a,b;c,d": the groups to train, with --grouping given', texts.groups),
        needs={"grouping": ("given",)}, of_first_run=True,
    )] = ()  # fmt: skip
    max_size: Annotated[int | None, Range(2, whole=True), Key(
        "Maximum number of tasks in a network.", Option(int, "N"), of_first_run=True,
    )] = None  # fmt: skip
    together: Annotated[tuple[tuple[str, ...], ...], Key(
        "Groups of tasks that one network must serve.",
        Option(list[str], "NAMES", "targets that one network must serve; repeatable", texts.lists_of_names),
        of_first_run=True,
    )] = ()  # fmt: skip
    apart: Annotated[tuple[tuple[str, ...], ...], Key(
        "Groups of tasks that no network may share.",
        Option(list[str], "NAMES", "targets that no network may share; repeatable", texts.lists_of_names),
        of_first_run=True,
    )] = ()  # fmt: skip
    max_cost: Annotated[int | None, Range(1, whole=True), Key(
        "Maximum number of networks that auto trains after the choice, including those that it compares with.",
        Option(int, "N", "maximum number of networks that auto trains after the choice"), of_first_run=True,
    )] = None  # fmt: skip
    start: Annotated[Literal["scratch", "measured"], Key(
        "Initial weights of the networks: `scratch`, or those of the training that `measured` the affinity.",
        of_first_run=True,
    )] = "scratch"  # fmt: skip
    affinity: Annotated[AffinityOptions, Key("How affinity is measured.", of_first_run=True)] = AffinityOptions()


def grouping_problems(config: Config) -> Iterator[str]:
    """All mistakes in the keys of the choice of networks, also where a key would have no effect."""
    if isinstance(config.networks, int) and config.networks < 1:
        yield f"networks: expected auto, single_task or a number of at least 1, found {config.networks}"
    if not any(is_given(config, name) for name in GroupingKeys.model_fields):
        return
    from ..grouping.confidence import check_confidence
    from ..grouping.strategies.given import group_problems  # with PyTorch
    from ..grouping.strategies.random_groups import random_problems

    count = len(config.targets)
    if config.grouping == "random" and isinstance(config.networks, int) and config.networks > 1:
        yield from random_problems(config.targets, min(config.networks, count), config.max_size)
    if config.grouping == "given":
        yield from group_problems(config.targets, config.groups)
    if config.affinity.stop == "confident":
        yield from problems_of(lambda: check_confidence(count))
    yield from _without_effect(config)
    for key in ("together", "apart"):
        for name in [name for group in getattr(config, key) for name in group if name not in config.targets]:
            yield f"{key}: {name!r} is not a target; {did_you_mean(name, config.targets)}"


def _without_effect(config: Config) -> Iterator[str]:
    from ..grouping.strategies import GROUPINGS

    grouping, count = GROUPINGS[config.grouping], len(config.targets)
    chosen = config.networks not in (1, "single_task")
    if config.grouping != "tag" and not chosen:
        yield f"grouping: has an effect only with networks auto or above 1, found {config.networks}"
    if not grouping.chooses and isinstance(config.networks, int) and chosen:
        yield f"networks: has no effect with grouping: {config.grouping}; leave it at auto"
    if grouping.estimator and config.affinity.estimator not in ("auto", grouping.estimator):
        yield f"affinity.estimator: has no effect with grouping: {config.grouping}, found {config.affinity.estimator!r}"
    measured = chosen and count > 1 and "affinity" in grouping.needs
    found = f"grouping: {config.grouping}, networks: {config.networks} and {count} targets"
    if is_given(config, "affinity") and not measured:
        yield f"affinity: has an effect only where networks are chosen by it; found {found}"
    if config.start == "measured" and not measured:
        yield f"start: measured needs a training for all tasks that measures affinity; found {found}"
    if config.start == "measured" and config.sharing != "hard":
        yield f"start: measured weights are of a network with hard sharing, found sharing: {config.sharing!r}"
    for key in ("max_size", "together", "apart"):
        if getattr(config, key) and not (chosen and key in grouping.heeds):
            yield f"{key}: has no effect with grouping: {config.grouping} and networks: {config.networks}"
    if config.max_cost is not None and (config.networks != "auto" or not grouping.chooses):
        yield "max_cost: has an effect only where networks: auto chooses"
