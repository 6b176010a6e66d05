"""Presets: a word for how much a run trains. A key that is given as well counts more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: By preset the keys that it sets.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {"networks": 1, "baselines": False},
    "good": {},
    "best": {"candidates": ("networks", "trees", "linear"), "ensemble": 5},
}


def with_preset(values: Any) -> Any:
    """Keys with those of their preset.

    Example:
        >>> with_preset({"preset": "fast", "networks": 2})
        {'networks': 2, 'baselines': False, 'preset': 'fast'}
    """
    if not isinstance(values, Mapping) or not isinstance(preset := values.get("preset"), str):
        return values
    return {**PRESETS.get(preset, {}), **values}
