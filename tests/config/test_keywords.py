"""Keys as keyword arguments are those of the configuration."""

from __future__ import annotations

import inspect

import polytask as pt
from polytask.config.keywords import keys, settings_module
from polytask.config.settings import Settings


def test_the_module_for_type_checkers_is_up_to_date() -> None:
    """`python -m polytask.config.keywords > src/polytask/config/settings.py && ruff format src` writes it again."""
    written: dict[str, object] = {}
    exec(settings_module(), written)
    assert Settings.__annotations__ == written["Settings"].__annotations__  # type: ignore[attr-defined]
    assert set(Settings.__annotations__) == {name for name, _ in keys()}


def test_a_notebook_completes_the_keys() -> None:
    known = list(inspect.signature(pt.TablePredictor).parameters)
    assert {"networks", "balance", "interval", "steps"} <= set(known) and known[-1] == "settings"
