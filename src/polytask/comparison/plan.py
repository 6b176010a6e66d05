"""From a comparison's configuration to the runs of every method on every set-up, all mistakes found first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Config, make_config
from ..display.display import Display
from ..errors import UserError, raise_all
from ..runs.preparation.prepare import prepare
from ..runs.preparation.prepared import Prepared
from ..runs.trainer import make_balancer
from .config import BASELINES, CompareConfig, merged
from .datasets import with_dataset
from .execute import RunSpec
from .search import MakeRun
from .space import TREES, SearchRange, applied, weight_ranges

#: A method is plain unless its settings override that; one thread, so that numbers are the same on every machine.
PLAIN: dict[str, Any] = {"networks": 1, "balance": "equal", "converge": "off", "threads": 1}
#: What the networks among the baselines are; whatever ``base`` states.
ONE_NETWORK: dict[str, Any] = {"networks": 1, "balance": "equal", "converge": "off", "distill": "off"}
BASELINE_KEYS = dict.fromkeys(BASELINES, ONE_NETWORK) | {"single_task": ONE_NETWORK | {"networks": "single_task"}}


def refuse_folds(config: Config, where: str) -> None:
    """Comparisons repeat by seeds, on validation and test rows that all runs have in common.

    Raises:
        UserError: If a cross-validation is asked for.
    """
    if config.folds is not None:
        raise UserError(f"{where}: folds: has an effect only with `polytask fit`; leave it out: runs repeat by seeds")


@dataclass(frozen=True)
class Method:
    """One method on one set-up.

    Attributes:
        name: Its name.
        keys: What it states on top of base and set-up.
        values: All keys of ``fit``.
        learner: ``network`` or ``trees``.
        space: What is searched.
    """

    name: str
    keys: dict[str, Any]
    values: dict[str, Any]
    learner: str
    space: dict[str, SearchRange]

    def maker(self, data: str) -> MakeRun:
        """Makes runs of the method; ``data`` is the data's SHA-256."""

        def make(drawn: Mapping[str, Any], seed: int, part: str) -> RunSpec:
            trees = self.learner == "trees"
            values = self.values | {"seed": seed}
            config = make_config(values if trees else applied(values, drawn))
            return RunSpec(self.learner, config.model_dump(mode="json"), part, data, dict(drawn) if trees else {})

        return make


@dataclass(frozen=True)
class Setup:
    """One set-up: its data as prepared for the first seed, and the methods on it."""

    name: str
    source: str
    data: Prepared
    methods: dict[str, Method]


def plan(config: CompareConfig, where: str, folder: Path, display: Display | None = None) -> dict[str, Setup]:
    """All set-ups with all methods.

    Raises:
        UserError: All mistakes of all methods and set-ups at once, each once.
    """
    problems: list[str] = []
    setups = {}
    for name, values in config.setup_values().items():
        place = f"{where}: setups.{name}" if config.setups else f"{where}: base"
        try:
            values = with_dataset(values, folder, display)
        except UserError as error:
            problems += [f"{place}: {problem}" for problem in error.problems]
            continue
        methods, found = _methods(config, values, where, place)
        problems += found
        first = _first_config(methods, config.seeds[0])
        data, found = prepared(first, place) if first else (None, [])
        problems += found
        if data is not None and "trees" in methods and not data.schema.feature_names:
            problems.append(
                f"{place}: trees need a table, and the data are a folder of arrays; set baselines.trees: false"
            )
        encoded = data.encoded if data is not None else None
        if encoded is not None and "trees" in methods and not encoded.one_vector:
            problems.append(
                f"{place}: trees take one vector of numbers per row, and the encoder reads tokens or images; use "
                "tune: frozen without tags, or set baselines.trees: false"
            )
        if first and data:
            setups[name] = Setup(name, first.data_name, data, methods)
    raise_all(list(dict.fromkeys(problems)))
    return setups


def _methods(
    config: CompareConfig, values: dict[str, Any], where: str, place: str
) -> tuple[dict[str, Method], list[str]]:
    """The methods on one set-up, and what is wrong with them."""
    problems = mistakes(merged(PLAIN, values, {"baselines": False}), place)
    common = {problem.removeprefix(place) for problem in problems}
    methods = {}
    targets = [str(target) for target in values.get("targets") or ()]
    for name, keys in BASELINE_KEYS.items():
        if getattr(config.baselines, name):
            space = TREES if name == "trees" else dict(config.search)
            space |= weight_ranges(targets) if name == "static" else {}
            learner = "trees" if name == "trees" else "network"
            methods[name] = Method(name, {}, merged(PLAIN, values, keys, {"baselines": False}), learner, space)
    for name, given in config.methods.items():
        spot = f"{where}: methods.{name}"
        own = {key: value for key, value in given.items() if key != "search"}
        space, found = _own_search(given.get("search"), spot)
        complete = merged(PLAIN, values, own, {"baselines": False})
        found += [p for p in mistakes(complete, spot) if p.removeprefix(spot) not in common]
        if not found:
            found += _search_mistakes(complete, space, spot)
        problems += found
        methods[name] = Method(name, own, complete, "network", dict(config.search) | space)
    return methods, problems


def _own_search(given: Any, spot: str) -> tuple[dict[str, SearchRange], list[str]]:
    if given is None:
        return {}, []
    if not isinstance(given, dict):
        return {}, [f"{spot}.search: expected keys with their ranges, found {given!r}"]
    space, problems = {}, []
    for key, value in given.items():
        try:
            space[key] = SearchRange.model_validate(value)
        except ValueError as error:
            said = error.errors()[0]["msg"] if hasattr(error, "errors") else str(error)
            problems.append(f"{spot}.search.{key}: {said.removeprefix('Value error, ')}; "
                            f"write {{low: .., high: ..}} or {{choices: [..]}}, found {value!r}")  # fmt: skip
    return space, problems


def _search_mistakes(values: dict[str, Any], space: Mapping[str, SearchRange], spot: str) -> list[str]:
    """Try the ends of a method's own ranges."""
    problems: list[str] = []
    for key, found in space.items():
        for value in found.choices or (found.low, found.high):
            problems += mistakes(applied(values, {key: value}), f"{spot}.search.{key}")
    return problems[:1]


def mistakes(values: dict[str, Any], place: str) -> list[str]:
    """What is wrong with keys of ``fit``, before the data are read."""
    try:
        config = make_config(values, place)
        refuse_folds(config, place)
    except UserError as error:
        return list(error.problems)
    try:
        make_balancer(config.balance).bind(config.targets)
    except UserError as error:
        return [f"{place}: {problem}" for problem in error.problems]
    return []


def _first_config(methods: Mapping[str, Method], seed: int) -> Config | None:
    """The first method's configuration, if it is in order."""
    try:
        return make_config(next(iter(methods.values())).values | {"seed": seed})
    except UserError:
        return None


def prepared(config: Config, place: str) -> tuple[Prepared | None, list[str]]:
    """The data, or what is wrong with them."""
    try:
        return prepare(config), []
    except UserError as error:
        return None, [f"{place}: {problem}" for problem in error.problems]
