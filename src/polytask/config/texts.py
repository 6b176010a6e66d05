"""From texts of the command line to values of keys."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import yaml

from ..errors import UserError
from .parse import parse_yaml


class _Words(yaml.SafeLoader):
    """Classes are called yes and no, and a threshold is off: these are words."""


_Words.yaml_implicit_resolvers = {
    first: [found for found in resolvers if found[0] != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def names(text: str, option: str) -> list[str]:
    """Column names from a text with commas, quoted as in CSV where a name has one itself.

    Example:
        >>> names("a, b", "--targets"), names('"a, of b",c', "--targets")
        (['a', 'b'], ['a, of b', 'c'])
    """
    found = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [""])]
    if not all(found):
        raise UserError(f"{option} {text!r}: expected names separated by commas, found an empty one")
    return found


def all_names(texts: Sequence[str], option: str) -> list[str]:
    """The names of an option that may be repeated."""
    return [name for text in texts for name in names(text, option)]


def lists_of_names(texts: Sequence[str], option: str) -> list[list[str]]:
    """One list of names each time that an option is given."""
    return [names(text, option) for text in texts]


def groups(text: str, option: str) -> list[list[str]]:
    """Groups of names.

    Example:
        >>> groups("a,b;c", "--groups")
        [['a', 'b'], ['c']]
    """
    return lists_of_names(text.split(";"), option)


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` texts as a dictionary; names may hold ``=``.

    Example:
        >>> pairs(["click=binary"], "--kind")
        {'click': 'binary'}
    """
    found = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if not equals or not name or not value:
            raise UserError(f"{option} {text!r}: expected NAME=VALUE")
        found[name] = value
    return found


def values(texts: Sequence[str], option: str) -> Any:
    """One value for all targets, or ``TARGET=VALUE`` for each of some; values are read as in a file.

    Example:
        >>> values(["balanced"], "--class-weights"), values(["a=balanced", "b={yes: 5}"], "--class-weights")
        ('balanced', {'a': 'balanced', 'b': {'yes': 5}})
    """
    given = {"": texts[0]} if len(texts) == 1 and "=" not in texts[0] else pairs(texts, option)
    try:
        found = {name: parse_yaml(text, _Words) for name, text in given.items()}
    except ValueError:
        raise UserError(f"{option} {' '.join(texts)!r}: expected TARGET=VALUE with a value as in YAML") from None
    return found.get("", found)


def shares(text: str, option: str = "") -> str | list[float]:
    """Three shares, or the name of a column.

    Example:
        >>> shares("0.8,0.1,0.1"), shares("part")
        ([0.8, 0.1, 0.1], 'part')
    """
    if "," not in text:
        return text
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return text


def number_or_word(text: str, option: str = "") -> int | str:
    """A whole number, or a word.

    Example:
        >>> number_or_word("3"), number_or_word("auto")
        (3, 'auto')
    """
    return int(text) if text.lstrip("-").isdigit() else text
