"""Where keys are in a file: in sections that mirror the packages. Flat names are accepted for one release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml

from ..errors import did_you_mean
from .data import DataKeys
from .grouping import GroupingKeys
from .key import keys_of
from .learning import BalanceKeys, ConvergenceKeys, DistillationKeys, NetworkKeys
from .model import ModelKeys
from .run import RunKeys
from .section import Section
from .target import TargetKeys
from .training import TrainingSettings

#: The keys of a configuration, in the order of a file; several of these may be one section of it.
SECTIONS: tuple[type[Section], ...] = (
    DataKeys, TargetKeys, ModelKeys, TrainingSettings, BalanceKeys, ConvergenceKeys, GroupingKeys, NetworkKeys,
    DistillationKeys, RunKeys,
)  # fmt: skip

#: In C where PyYAML was built with it, several times faster.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

#: Options that are gone, with the only value at which files still name them: every earlier ``config.yaml`` does.
GONE: dict[str, dict[str, Any]] = {
    "affinity": {"time": "mean", "divide_by_lr": False, "null": None},
    "convergence": {"mixture": 1.0},
    "distill": {
        "similarity": "cka",
        "indicator": "gap",
        "block_complexity": "mean",
        "order": "complex_first",
        "schedule": "cumulative",
        "phase_end": "share",
        "supervised": "all",
    },
}


@lru_cache
def paths() -> dict[str, tuple[str, ...]]:
    """Where each key is in a file, by its flat name.

    Example:
        >>> paths()["steps"], paths()["data"], paths()["convergence"]
        (('training', 'steps'), ('data', 'table'), ('convergence',))
    """
    return {flat: path for keys in SECTIONS for flat, path in _paths_of(keys)}


def _paths_of(keys: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, key in keys_of(keys).items():
        flat = keys.model_fields[name].alias or name
        inside = flat if key.inside is None else key.inside
        yield flat, (keys.section, inside) if inside else (keys.section,)


def section_names() -> list[str]:
    """The sections of a file, in order."""
    return list(dict.fromkeys(path[0] for path in paths().values()))


def flat_path(path: Sequence[str]) -> list[str]:
    """A path in a file as one of flat names; any other path as it is.

    Example:
        >>> flat_path(["training", "steps"]), flat_path(["grouping", "affinity", "every"])
        (['steps'], ['affinity', 'every'])
        >>> flat_path(["model", "hidden"]), flat_path(["steps"]), flat_path(["training", "stepps"])
        (['model', 'hidden'], ['steps'], ['training.stepps'])
    """
    key = _keys().get(tuple(path[:2])) if len(path) > 1 else None
    if key is not None:
        return [key, *path[2:]]
    if len(path) > 1 and path[0] in section_names() and path[0] not in _sections_that_are_keys():
        return [".".join(path[:2]), *path[2:]]
    return list(path)


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """``values``, in which keys are in sections or flat, by flat names.

    A key that no section has, or that is given twice, keeps its dotted name: it is refused as unknown.

    Example:
        >>> flat({"data": {"table": "a.csv"}, "training": {"steps": 9}, "model": {"dropout": 0.2, "sharing": "mmoe"}})
        {'data': 'a.csv', 'steps': 9, 'model': {'dropout': 0.2}, 'sharing': 'mmoe'}
        >>> flat({"steps": 9, "balance": {"name": "dwa"}})
        {'steps': 9, 'balance': {'name': 'dwa'}}
        >>> flat({"grouping": {"network_settings": [{"tasks": ["a"], "convergence": {"converge": "off"}}]}})
        {'network_settings': [{'tasks': ['a'], 'converge': 'off'}]}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in section_names() or not (isinstance(value, Mapping) or value is None):
            _add(found, [str(name)], value)
            continue
        if not value and name in _sections_that_are_keys():
            found.setdefault(name, {})
        for inner, one in (value or {}).items():
            _add(found, flat_path([name, str(inner)]), one)
    if isinstance(entries := found.get("network_settings"), list):
        found["network_settings"] = [flat(one) if isinstance(one, Mapping) else one for one in entries]
    for name, gone in GONE.items():
        if isinstance(found.get(name), Mapping):
            found[name] = {key: one for key, one in found[name].items() if key not in gone or one != gone[key]}
    return found


def _add(found: dict[str, Any], path: Sequence[str], value: Any) -> None:
    if len(path) == 1:
        twice = path[0] in found and path[0] in paths()
        found[".".join(paths()[path[0]]) if twice else path[0]] = value
    else:
        found.setdefault(path[0], {})[path[1]] = value


def in_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by flat names in the sections of a file.

    Example:
        >>> in_sections({"steps": 9, "data": "a.csv", "convergence": {"patience": 3}, "converge": "joint"})
        {'data': {'table': 'a.csv'}, 'training': {'steps': 9}, 'convergence': {'converge': 'joint', 'patience': 3}}
    """
    found: dict[str, Any] = {}
    if values.get("network_settings"):
        values = {**values, "network_settings": [in_sections(_given(one)) for one in values["network_settings"]]}
    for name, path in paths().items():
        if name not in values:
            continue
        if len(path) == 2:
            found.setdefault(path[0], {})[path[1]] = values[name]
        elif isinstance(values[name], Mapping):
            found[path[0]] = {**found.get(path[0], {}), **values[name]}
        else:
            found[path[0]] = values[name]
    return found | {name: value for name, value in values.items() if name not in paths()}


def as_yaml(values: Mapping[str, Any]) -> str:
    """Keys by their flat names as a YAML text with sections."""
    return str(yaml.dump(in_sections(values), Dumper=DUMPER, sort_keys=False, allow_unicode=True))


def _given(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry of ``network_settings`` sets."""
    return {key: value for key, value in entry.items() if value is not None}


def flat_name(dotted: str) -> str:
    """A dotted name in sections as one of flat names.

    Example:
        >>> flat_name("training.learning_rate"), flat_name("learning_rate"), flat_name("balance.temperature")
        ('learning_rate', 'learning_rate', 'balance.temperature')
    """
    return ".".join(flat_path(dotted.split(".")))


def flat_names(values: Mapping[str, Any]) -> list[str]:
    """Keys of ``values`` that are outside of their sections, those of single networks included.

    Example:
        >>> flat_names({"data": "a.csv", "training": {"steps": 9}, "targets": ["x"]})
        ['targets']
        >>> flat_names({"grouping": {"network_settings": [{"tasks": ["a"], "converge": "off"}]}})
        ['converge']
    """
    found = [name for name in values if name in paths() and paths()[name][0] != name]
    for place in (values, values.get("grouping")):
        entries = place.get("network_settings") if isinstance(place, Mapping) else None
        if isinstance(entries, list):
            found += [name for one in entries if isinstance(one, Mapping) for name in flat_names(one)]
    return found


def flat_note(names: Sequence[str]) -> str:
    """A note for the user of flat names.

    Example:
        >>> flat_note(["steps"])
        'note: keys stand in sections: write training.steps for steps; flat names will be removed in the next release'
    """
    told = ", ".join(f"{'.'.join(paths()[name])} for {name}" for name in dict.fromkeys(names))
    return f"note: keys stand in sections: write {told}; flat names will be removed in the next release"


def unknown_key(path: str) -> str:
    """What to say of a key that there is not.

    Example:
        >>> unknown_key("training.stepps")
        "unknown key 'training.stepps'; did you mean 'training.steps'?"
        >>> print(unknown_key("data.steps"))
        data.steps: is a key of section training; write training.steps
    """
    section, _, name = path.rpartition(".")
    known = {".".join(place): flat for flat, place in paths().items()}
    if path in known:
        return f"{path}: is given twice, also as {known[path]}; leave one of them out"
    if path in section_names():
        return f"{path}: is a section; expected keys and values, such as {path}: {{...}}"
    if section and name in paths():
        place = paths()[name]
        return f"{path}: is a key of section {place[0]}; write {'.'.join(place)}"
    names = [place for place in known if place.startswith(f"{section}.")] if section else [*paths(), *section_names()]
    return f"unknown key {path!r}; {did_you_mean(path, list(dict.fromkeys(names)))}"


@lru_cache
def _keys() -> dict[tuple[str, ...], str]:
    """Flat names by where keys are."""
    return {path: flat for flat, path in paths().items()}


@lru_cache
def _sections_that_are_keys() -> frozenset[str]:
    """Sections whose flat name is that of a key: what stands in them and is no other key belongs to it."""
    return frozenset(path[0] for flat, path in paths().items() if path == (flat,))
