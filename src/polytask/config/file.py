"""Configurations as text: YAML files, and keys that are set one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError


def read_config(path: Path) -> dict[str, Any]:
    """The keys of a YAML file; relative paths of ``data`` and ``from`` are taken from the file's folder.

    Raises:
        UserError: If the file is missing or is not a YAML mapping.
    """
    return tables_from(read_yaml(path), path.parent)


def parse_yaml(text: str) -> Any:
    """What a YAML text states; code is never made of it.

    Raises:
        ValueError: Whatever is wrong with it, in one line: PyYAML lets through Python's own errors about
            dates, numbers and words that it cannot make, and about things nested a thousand times.
    """
    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys of a YAML file.

    Raises:
        UserError: If the file is missing or is not a YAML mapping.
    """
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected keys and values, such as `data: table.csv`, found {type(values).__name__}")
    return values


def tables_from(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """``values`` with relative paths of ``data`` and other files taken from ``folder``, in place."""
    for key in ("from", "data", "validation", "test"):
        if isinstance(values.get(key), str):
            values[key] = str(folder / values[key])  # an absolute path stays as it is
    if isinstance(values.get("data"), list):
        for source in values["data"]:
            if isinstance(source, dict) and isinstance(source.get("table"), str):
                source["table"] = str(folder / source["table"])
    return values


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Set keys from ``a.b=value`` texts (values are YAML) in place.

    Raises:
        UserError: All texts that are not of that form.

    Example:
        >>> values = {"model": {"dropout": 0.1}}
        >>> apply_overrides(values, ["model.hidden=[64, 32]", "seed=3"])
        >>> values
        {'model': {'dropout': 0.1, 'hidden': [64, 32]}, 'seed': 3}
    """
    problems = []
    for override in overrides:
        key, equals, text = override.partition("=")
        *parents, last = key.strip().split(".")
        node: Any = values
        for parent in parents:
            node = node.setdefault(parent, {}) if isinstance(node, dict) else None
        try:
            value = parse_yaml(text)
        except ValueError:
            equals = ""
        if not equals or not last or not isinstance(node, dict):
            problems.append(f"--set {override}: expected key=value, such as model.dropout=0.2")
        else:
            node[last] = value
    if problems:
        raise UserError(*problems)
