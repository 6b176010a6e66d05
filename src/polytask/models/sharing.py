"""Ways of sharing, by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from ..errors import UserError, did_you_mean, raise_all
from .cross_stitch import CrossStitch
from .gated_experts import CGC, PLE, MMoE
from .mtan import MTAN
from .task_encoder import TaskEncoder

#: Architectures with features per task; ``hard`` sharing needs none, all heads read from the encoder.
ARCHITECTURES: dict[str, type[TaskEncoder]] = {
    "mmoe": MMoE,
    "cgc": CGC,
    "ple": PLE,
    "cross_stitch": CrossStitch,
    "mtan": MTAN,
}
SHARING = ("hard", *ARCHITECTURES)


def sharing_options(sharing: str) -> dict[str, Any]:
    """Options of a sharing architecture with their defaults.

    Example:
        >>> sharing_options("ple")
        {'experts': 2, 'task_experts': 1, 'levels': 2}
    """
    if sharing not in ARCHITECTURES:
        return {}
    parameters = inspect.signature(ARCHITECTURES[sharing].__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "width"}


def sharing_problems(sharing: str, options: Mapping[str, Any]) -> list[str]:
    """Problems with a sharing architecture and its options, as sentences; empty if nothing is."""
    if sharing not in SHARING:
        return [f"sharing: {sharing!r} is not known; {did_you_mean(sharing, SHARING)}"]
    known = sharing_options(sharing)
    hints = {name: did_you_mean(name, known) if known else "it has none" for name in options if name not in known}
    problems = [f"sharing {sharing!r} has no option {name!r}; {hint}" for name, hint in hints.items()]
    return problems + [
        f"sharing {sharing!r}: expected a number for {name}, found {value!r}"
        for name, value in options.items()
        if name in known and (isinstance(value, bool) or not isinstance(value, int | type(known[name])))
    ]


def make_task_encoder(
    sharing: str, encoder: nn.Module, tasks: int, options: Mapping[str, Any], width: int | None = None
) -> TaskEncoder:
    """An architecture around an encoder.

    Raises:
        UserError: If the name or an option is not known, or the architecture does not fit the encoder.
    """
    raise_all(sharing_problems(sharing, options))
    if sharing not in ARCHITECTURES:
        raise UserError(f"sharing {sharing!r} is the encoder as it is")
    return ARCHITECTURES[sharing](encoder, tasks, width=width, **options)
