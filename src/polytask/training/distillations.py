"""The key `distill`: distillation from teachers."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from ..errors import UserError, did_you_mean
from .callbacks import MTLKD, CooperativeDistillation, EnsembleDistillation, OnlineDistillation

#: Distillation from teachers, by name.
DISTILLATIONS: dict[str, Any] = {
    "off": None,
    "mtlkd": MTLKD,
    "okd": OnlineDistillation,
    "scd": CooperativeDistillation,
    "best": EnsembleDistillation,
}


def distillation_of(spec: bool | str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and options of ``distill``.

    Example:
        >>> distillation_of({"name": "scd", "blocks": 3})
        ('scd', {'blocks': 3})
    """
    options = dict(spec) if isinstance(spec, Mapping) else {"name": spec}
    return str(options.pop("name", "") or "off"), options  # YAML reads a bare off as False


def distillation_problems(spec: bool | str | Mapping[str, Any], sharing: str) -> list[str]:
    """Problems with ``distill``, as sentences; empty if nothing is."""
    name, options = distillation_of(spec)
    if name not in DISTILLATIONS:
        return [f"distill: {name!r} is not known; {did_you_mean(name, DISTILLATIONS)}"]
    method = DISTILLATIONS[name]
    if method is None:
        return [f"distill: off has no options, found {', '.join(options)}"] if options else []
    if name == "okd" and sharing != "hard":
        return [f"distill: okd needs one representation for all tasks, which sharing {sharing!r} does not have; "
                "use hard sharing, or mtlkd or scd"]  # fmt: skip
    known = _options_of(method)
    unknown = [key for key in options if key not in known]
    if unknown:
        return [f"distill: {name} has no option {key!r}; {did_you_mean(key, known)}" for key in unknown]
    try:
        method({}, **options)
    except UserError as error:
        return [f"distill: {problem}" for problem in error.problems]
    except TypeError as error:
        return [f"distill: {name}: {error}"]
    return []


def _options_of(method: type) -> list[str]:
    """Options that a class takes, with those that it hands on to the classes that it is made of."""
    found: list[str] = []
    for kind in (kind for kind in method.__mro__ if "__init__" in vars(kind)):
        parameters = signature(kind).parameters
        found += parameters
        if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            break
    return [name for name in dict.fromkeys(found) if name not in ("self", "teachers", "distilling")]
