"""What is compared: the file that ``polytask compare`` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator

from ..config import Section, explained, flat
from ..config.file import apply_overrides, read_yaml, tables_from
from ..config.layout import flat_name, flat_names
from ..errors import UserError, did_you_mean, raise_all
from ..ranges import Count
from .space import LEARNING_RATE, WEIGHT_DECAY, SearchRange

Model = TypeVar("Model", bound=Section)
#: Names of the methods that are always in; see :mod:`polytask.comparison.plan`.
BASELINES = ("single_task", "equal", "static", "trees")


class Baselines(Section):
    """What is always in, unless switched off."""

    single_task: bool = Field(True, description="one network for each target")
    equal: bool = Field(True, description="one network for all, all weights 1")
    static: bool = Field(True, description="the same with weights found by the search")
    trees: bool = Field(True, description="gradient-boosted trees, one ensemble for each target")


class CompareConfig(Section):
    """Methods, seeds and set-ups, and the budget that is the same for all.

    A method is a set of keys of ``polytask fit`` on top of ``base``, and may have a ``search`` of its own options.
    """

    base: dict[str, Any] = Field({}, description="keys of `polytask fit` that all runs share")
    setups: dict[str, dict[str, Any]] = Field({}, description="name: keys on top of base, such as data and targets")
    methods: dict[str, dict[str, Any]] = Field({}, description="name: keys on top of base and set-up")
    seeds: tuple[int, ...] = Field((0, 1, 2, 3, 4), min_length=1, description="a number of seeds, or the seeds")
    trials: Count = Field(8, description="settings tried for every method; 1 tries only the given one")
    search: dict[str, SearchRange] = Field(
        {"learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY}, description="what is tuned for every network"
    )
    baselines: Baselines = Baselines()
    reference: str = Field("equal", description="the method that all others are tested against")
    test: Literal["permutation", "wilcoxon", "t"] = Field("permutation", description="paired test over seeds")
    level: float = Field(0.05, gt=0, lt=1, description="error rate over all methods, tasks and set-ups")

    @field_validator("seeds", mode="before")
    @classmethod
    def _number_of_seeds(cls, value: Any) -> Any:
        return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value

    def problems(self) -> Iterator[str]:
        """Mistakes of keys against each other."""
        names = [*self.methods, *(name for name in BASELINES if getattr(self.baselines, name))]
        for name in self.methods:
            if name in BASELINES:
                yield f"methods.{name}: the name of a baseline that is always in; choose another"
        if self.reference not in names:
            yield f"reference: {self.reference!r} is not a method; {did_you_mean(self.reference, names)}"
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            yield f"seeds: expected different numbers of at least 0, found {list(self.seeds)}"
        if len(names) < 2:
            yield f"methods: nothing to compare, found only {', '.join(names) or 'none'}; add one"
        for where, search in self._searches():
            for key in search:
                if self.trials == 1:
                    yield f"{where}.{key}: has an effect only with trials of at least 2, found trials: 1"

    def _searches(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if "search" in self.model_fields_set:
            yield "search", self.search
        for name, method in self.methods.items():
            if isinstance(method.get("search"), dict):
                yield f"methods.{name}.search", method["search"]

    def setup_values(self) -> dict[str, dict[str, Any]]:
        """Keys of ``fit`` that each set-up gives, with those of ``base``; one set-up if none is named."""
        if self.setups:
            return {name: merged(self.base, values) for name, values in self.setups.items()}
        data = self.base.get("dataset") or self.base.get("data", "data")
        data = data.get("name") if isinstance(data, Mapping) else data
        return {Path(str(data)).name.split(".")[0] if isinstance(data, str) else "data": dict(self.base)}


def make_comparison(values: Mapping[str, Any], where: str = "config") -> CompareConfig:
    """Check ``values`` and fill in the defaults; what runs say is checked by :func:`polytask.comparison.plan.plan`.

    Raises:
        UserError: All mistakes at once.

    Example:
        >>> make_comparison({"base": {"data": "a.csv", "targets": ["x"]}, "seeds": 3}).seeds
        (0, 1, 2)
    """
    config = checked(CompareConfig, values, where)
    raise_all([f"{where}: {problem}" for problem in config.problems()])
    return config


def checked(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """``model`` made of ``values``.

    Raises:
        UserError: All mistakes at once.
    """
    try:
        return model(**values)
    except ValidationError as error:
        raise UserError(*(f"{where}: {problem}" for problem in explained(error, model, values))) from None


def read_comparison(path: Path, overrides: Sequence[str] = ()) -> tuple[CompareConfig, str]:
    """A comparison's YAML file and its name for messages; paths of tables are relative to its folder."""
    return make_comparison(read_study(path, overrides), path.name), path.name


def read_study(path: Path, overrides: Sequence[str] = (), folder: Path | None = None) -> dict[str, Any]:
    """A YAML file with keys of ``fit``, in sections or not, by flat names; paths are from its folder, or this one."""
    values, folder = read_yaml(path), folder or path.parent
    if isinstance(values.get("base"), dict):
        values["base"] = tables_from(flat(values["base"]), folder)
    for name in ("setups", "methods"):
        if isinstance(values.get(name), dict):
            values[name] = {key: _flat(found, folder) for key, found in values[name].items()}
    apply_overrides(values, overrides, _above)
    values |= _flat({"search": values["search"]}, folder) if "search" in values else {}
    return values


def _above(names: Sequence[str]) -> int:
    """How many names of a dotted path in a study stand above keys of ``fit``."""
    return {"base": 1, "setups": 2, "methods": 2}.get(names[0], 0)


def flat_keys(path: Path, overrides: Sequence[str] = ()) -> list[str]:
    """Keys of ``fit`` in a study's file and in ``overrides`` that are outside of their sections."""
    values = read_yaml(path)
    layers = [values.get("base"), *((values.get("setups") or {}) | (values.get("methods") or {})).values()]
    layers = [layer for layer in layers if isinstance(layer, Mapping)]
    searches = [one for layer in (values, *layers) if isinstance(one := layer.get("search"), Mapping)]
    layers += [dict.fromkeys(str(key).split(".")[0] for key in search) for search in searches]
    asked = [text.partition("=")[0].strip().split(".") for text in overrides]
    layers += [{names[above]: None} for names in asked if 0 < (above := _above(names)) < len(names)]
    return [name for layer in layers for name in flat_names(layer)]


def _flat(values: Any, folder: Path) -> Any:
    """Keys of ``fit`` on top of others, and a search among them, by flat names."""
    if not isinstance(values, dict):
        return values
    found = tables_from(flat(values), folder)
    if isinstance(found.get("search"), dict):
        found["search"] = {flat_name(str(key)): one for key, one in found["search"].items()}
    return found


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers on top of earlier ones; sections are merged key by key, everything else is replaced.

    Example:
        >>> merged({"model": {"dropout": 0.1, "hidden": [8]}}, {"model": {"dropout": 0.2}})
        {'model': {'dropout': 0.2, 'hidden': [8]}}
    """
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = key != "balance" and isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result
