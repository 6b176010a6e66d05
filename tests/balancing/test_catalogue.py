"""The catalogue says what the code does, and the pages in the docs are up to date."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from polytask.balancing import BALANCERS
from polytask.balancing.bibliography import BIBTEX
from polytask.balancing.catalogue import pages, sections, summary

DOCS = Path(__file__).parents[2] / "docs" / "methods"


@pytest.mark.parametrize("name", BALANCERS)
def test_every_method_is_described(name: str) -> None:
    found = sections(name)
    assert {"Cost", "When to choose it", "Source"} <= set(found)
    assert len(summary(name)) <= 110 and summary(name).endswith(".")
    assert "``" in found[""], "a formula"
    options = list(inspect.signature(BALANCERS[name].__init__).parameters)[1:]
    assert all(f"{option}: " in found["Args"] for option in options if option != "absent")


def test_every_method_can_be_cited() -> None:
    assert set(BIBTEX) == set(BALANCERS)
    assert all(entry.startswith("@") and entry.count("{") == entry.count("}") for e in BIBTEX.values() for entry in e)


def test_pages_are_up_to_date() -> None:
    stale = [name for name, text in pages().items() if (DOCS / name).read_text(encoding="utf-8") != text]
    assert not stale, "run: python -m polytask.balancing.catalogue docs/methods"
