"""From the key ``encoder`` to an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ...errors import UserError, did_you_mean
from ...extras import require
from .chemprop import Chemprop
from .encoder import Encoder
from .ft_transformer import FTTransformer
from .hf import HF
from .mlp import MLP
from .resnet import ResNet
from .tabm import TabM

#: All encoders that are chosen by name.
ENCODERS: dict[str, type[Encoder]] = {kind.name: kind for kind in (MLP, ResNet, FTTransformer, TabM, HF, Chemprop)}

#: A name, ``name:argument``, ``{name: ..., its options}``, or a class of the user's.
Spec = str | Mapping[str, Any]


def is_named(spec: Spec) -> bool:
    """Whether ``spec`` is to be looked up in :data:`ENCODERS`, and is no class of the user's.

    Example:
        >>> is_named("mlp"), is_named({"name": "mlp"}), is_named("package.module:Class")
        (True, True, False)
    """
    if isinstance(spec, Mapping):
        return "name" in spec
    head, colon, _ = spec.partition(":")
    return not colon or head in ENCODERS


def resolved(spec: Spec) -> dict[str, Any]:
    """The whole of a named encoder, defaults included, as it is recorded.

    Raises:
        UserError: All mistakes at once.

    Example:
        >>> resolved({"name": "mlp", "hidden": [64]})
        {'name': 'mlp', 'numbers': {'name': 'auto'}, 'hidden': [64], 'embedding': 8, 'dropout': 0.1}
    """
    encoder = _parsed(spec)
    return {"name": encoder.name, **encoder.model_dump(mode="json")}


def encoder_named(spec: Spec) -> Encoder:
    """The encoder of a name or a mapping.

    Raises:
        UserError: All mistakes at once, or a package that is missing with the command that installs it.
    """
    encoder = _parsed(spec)
    require(encoder.extra, *encoder.packages, needed_by=f"encoder {encoder.name!r}")
    return encoder


def encoder_problems(spec: Spec | None, sharing: str) -> list[str]:
    """Problems with the key ``encoder``, as sentences; empty if nothing is, or if it is the user's class."""
    if spec is None or not is_named(spec):
        return []
    try:
        encoder = _parsed(spec)
    except UserError as error:
        return list(error.problems)
    if (known := encoder.ways_of_sharing()) and sharing not in known:
        return [f"sharing {sharing!r} is not supported with {encoder.described()}; use {' or '.join(known)}"]
    return []


def _parsed(spec: Spec) -> Encoder:
    options = dict(spec) if isinstance(spec, Mapping) else {"name": spec}
    name, colon, argument = str(options.pop("name")).partition(":")
    if name not in ENCODERS:
        known = f"{did_you_mean(name, ENCODERS)}; a custom class is package.module:Class"
        raise UserError(f"encoder: {name!r} is not known; {known}")
    kind = ENCODERS[name]
    if colon and not kind.argument:
        raise UserError(f"encoder: {name} does not take a name after a colon, found {argument!r}")
    if colon:
        options[kind.argument] = argument
    try:
        return kind(**options)
    except ValidationError as error:
        raise UserError(*(f"encoder: {_explain(kind, detail)}" for detail in error.errors())) from None


def _explain(kind: type[Encoder], detail: Any) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
        hint = did_you_mean(path, kind.model_fields) if kind.model_fields else "it has none"
        return f"{kind.name} has no option {path!r}; {hint}"
    if detail["type"] == "missing":
        return f"{kind.name} needs {path}: {kind.model_fields[path].description}"
    if detail["type"] == "out_of_range":
        return detail["ctx"]["range"].problem(f"{kind.name}: {path}", detail["input"])
    message = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else detail["msg"]
    return f"{kind.name}: {path or 'options'}: {message[0].lower() + message[1:]}, found {detail['input']!r}"
