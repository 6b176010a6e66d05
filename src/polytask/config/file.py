"""Configurations as text: YAML files, and keys that are set one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError, raise_all
from .layout import flat, flat_path, paths, section_names
from .parse import parse_yaml


def read_config(path: Path) -> dict[str, Any]:
    """The keys of a YAML file by their flat names; relative paths of tables and runs are taken from the file's folder.

    Raises:
        UserError: If the file is missing or is not a YAML mapping.
    """
    return tables_from(flat(read_yaml(path)), path.parent)


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


#: Keys with a value for each of some targets or columns, whose names may have dots in them.
_BY_NAME = (
    "kind", "column_kind", "weights", "sample_weight", "metric", "focal", "threshold", "calibration", "transform",
    "bounds",
)  # fmt: skip
#: Keys with a name, or a mapping of it and options.
_NAMED = ("balance", "distill", "encoder")


def apply_overrides(
    values: dict[str, Any], overrides: Sequence[str], above: Callable[[Sequence[str]], int] = lambda path: 0
) -> None:
    """Set keys from ``a.b=value`` texts (values are YAML) in place, by flat names.

    Args:
        values: What is changed.
        overrides: The texts.
        above: How many names of a path stand above keys of a run, such as ``methods.dwa`` in a comparison.

    Raises:
        UserError: All texts that are not of that form.

    Example:
        >>> values = {"model": {"dropout": 0.1}}
        >>> apply_overrides(values, ["model.hidden=[64, 32]", "seed=3"])
        >>> apply_overrides(values, ["training.steps=9", "distillation={distill: mtlkd}"])
        >>> values
        {'model': {'dropout': 0.1, 'hidden': [64, 32]}, 'seed': 3, 'steps': 9, 'distill': 'mtlkd'}

    What follows a key by target or column is a name, dots included:

        >>> values = {}
        >>> apply_overrides(values, ["data.column_kind.wage.1979=numeric"])
        >>> values
        {'column_kind': {'wage.1979': 'numeric'}}

    An option of what is given by its name alone:

        >>> values = {"balance": "gradnorm"}
        >>> apply_overrides(values, ["balance.alpha=2"])
        >>> values
        {'balance': {'name': 'gradnorm', 'alpha': 2}}
    """
    wrong = [override for override in overrides if not _set(values, override, above)]
    raise_all([f"--set {override}: expected key=value, such as training.steps=100" for override in wrong])


def _set(values: dict[str, Any], override: str, above: Callable[[Sequence[str]], int]) -> bool:
    """Set what one text states; whether it states anything."""
    key, equals, text = override.partition("=")
    path = key.strip().split(".")
    try:
        value = parse_yaml(text)
    except ValueError:
        return False
    if len(path) == 1 and path[0] in section_names() and isinstance(value, dict) and path[0] not in paths():
        return all(_put(values, flat_path([path[0], str(name)]), one) for name, one in value.items())
    keys = above(path)
    inside = flat_path(path[keys:])
    if inside[0] in _BY_NAME and len(inside) > 1:
        inside[1:] = [".".join(inside[1:])]
    return bool(equals and path[-1]) and _put(values, [*path[:keys], *inside], value)


def _put(values: Any, path: Sequence[str], value: Any) -> bool:
    """Set a value in nested mappings; False if something else is on the way."""
    for parent in path[:-1]:
        if parent in _NAMED and isinstance(values, dict) and isinstance(name := values.get(parent), str):
            values[parent] = {"name": name}
        values = values.setdefault(parent, {}) if isinstance(values, dict) else None
    if isinstance(values, dict):
        values[path[-1]] = value
    return isinstance(values, dict)
