"""The page of all configuration keys: ``python -m polytask.config.reference > docs/configuration.md``."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from ..ranges import Range, ranges_of
from . import SECTIONS, Config, Decides, Key, default_of, keys_of
from .key import subsections
from .layout import paths, section_names
from .learning import NetworkSettings

HEAD = """# Configuration keys

<!-- Written by `python -m polytask.config.reference > docs/configuration.md`: do not edit. -->

Every key of a configuration file, of `--set SECTION.KEY=VALUE` and of `polytask.config.make_config`, by section:

    data: {table: customers.csv, targets: [click, spend]}
    training: {steps: 2000}
    balance: dwa
    convergence: {converge: joint, patience: 5, joint: {restore: true}}

On the command line this is `--set training.steps=2000`, or an option if the key has one. Numbers are finite. An unknown
key, a value out of its range, and a key without effect are refused before anything is written.

Flat names without a section (`steps: 2000` in a file) are deprecated: they work for one release, with a note. In Python
they remain: `TablePredictor(steps=2000)`.

Unless its description states otherwise, a key affects the numbers of a run: a resumed run needs the same value, and
`polytask compare` trains again if it differs.
"""
_HEADER = ("| key | values | default | meaning |", "|---|---|---|---|")
_SAYS = {
    Decides.ROUNDING: "Affects only speed and rounding; may change when a run is resumed.",
    Decides.PLACE: "A path; may change when a run is resumed.",
    Decides.NOTHING: "Changes no numbers; may change when a run is resumed.",
}


def reference() -> str:
    """The page, in Markdown."""
    lines = [HEAD]
    for name in section_names():
        parts = [section for section in SECTIONS if section.section == name]
        lines += [f"## `{name}`", "", *_HEADER, *(row for part in parts for row in _rows(part)), ""]
        for path, part in ((path, part) for section in parts for path, part in _inside(section)):
            lines += [f"### `{path}`", "", *_HEADER, *_rows(part), ""]
    return "\n".join(lines).rstrip() + "\n"


def _inside(section: type[Any]) -> Iterator[tuple[str, type[Any]]]:
    """The sections inside one of a file, with their paths; not those that are all of it."""
    for name in keys_of(section):
        path = _path(name)
        yield from ((".".join(path), part) for part in _parts_of(section, name) if len(path) > 1)


def _parts_of(section: type[Any], name: str) -> Iterator[type[Any]]:
    found = subsections(get_type_hints(section)[name])
    yield from (part for part in found if keys_of(part))


def _flat(name: str) -> str:
    field = Config.model_fields.get(name)
    return (field.alias if field else None) or name


def _path(name: str) -> tuple[str, ...]:
    return paths()[_flat(name)]


def _rows(section: type[Any]) -> Iterator[str]:
    ranges, hints = ranges_of(section), get_type_hints(section)
    owner = Config if section in SECTIONS else section
    for name, key in keys_of(section).items():
        parts = list(_parts_of(section, name)) if section in SECTIONS and len(_path(name)) == 1 else []
        if parts:  # they are all of the section
            yield from (row for part in parts for row in _rows(part))
            continue
        shown = _path(name)[-1] if section in SECTIONS else name
        if section is NetworkSettings and name in paths():  # in sections, as in the rest of the file
            shown = ".".join(_path(name))
        values = _values(hints[name], ranges.get(name))
        yield f"| `{shown}` | {values} | {_default(default_of(owner, name))} | {' '.join(_sentences(name, key))} |"


def _sentences(name: str, key: Key) -> Iterator[str]:
    yield key.meaning.replace("|", "\\|")
    for other, values in key.needs.items():
        yield f"Has an effect only with `{other}: {' or '.join(map(str, values))}`."
    if key.decides in _SAYS:
        yield _SAYS[key.decides]
    if key.of_tables:
        yield "Only for tables."
    if key.of_first_run:
        yield "Not with `from`."
    if key.option:
        option = key.option.name or f"--{_flat(name).replace('_', '-')}"
        yield f"Option `{option}` of {' and '.join(f'`{command}`' for command in key.option.commands)}."


def _default(value: Any) -> str:
    if value is dataclasses.MISSING:
        return "required"
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        return "those of its keys"
    if isinstance(value, tuple):
        value = list(value)
    return {"None": "-", "True": "`true`", "False": "`false`"}.get(str(value), f"`{value}`")


def _values(hint: Any, range_: Range | None) -> str:
    """What a key takes, in words."""
    found = list(dict.fromkeys(word for word in _words(hint, range_) if word))
    return " or ".join([*found[:-1], found[-1]] if found else ["-"])


def _words(hint: Any, range_: Range | None) -> Iterator[str]:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        for part in parts:
            yield from _words(part, range_)
    elif origin is Literal:
        yield ", ".join(f"`{str(word).lower() if isinstance(word, bool) else word}`" for word in parts)
    elif hint is bool:
        yield "`true`, `false`"
    elif hint in (int, float):
        yield str(range_) if range_ else "a number"
    elif hint is str:
        yield "text"
    elif origin is tuple:
        yield "a list"
    elif origin is dict or hint is dict:
        yield "a mapping"
    elif isinstance(hint, type) and hint is not type(None):
        yield "a section"


if __name__ == "__main__":
    print(reference(), end="")
