"""The examples of fields do what their first lines promise."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from documents import ROOT

#: The least test metric of some targets of each.
LEAST = {
    "funnel": {"click": 0.7, "purchase": 0.75, "returned": 0.7, "spend": 0.6},
    "molecules": {"potency": 0.4, "potent": 0.8, "qed": 0.8},
    "prices": {"oil next range": 0.0, "copper next range": 0.0},
    "docstrings": {"library": 0.75, "class": 0.85, "parameters": 0.2, "length": 0.1, "example": 0.7},
}


def example(name: str) -> Any:
    """The module of an example."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_prices_are_read_from_a_file(tmp_path: Path) -> None:
    """In the form of the European Central Bank's: newest first, `N/A` where there is no rate, an empty last column."""
    prices = example("prices")
    known = prices.made_up(300)
    known.iloc[:20, 0] = None
    known.iloc[::-1].assign(empty=None).to_csv(tmp_path / "rates.csv", index_label="Date", na_rep="N/A")
    table = prices.features(prices.read(tmp_path / "rates.csv"))
    assert table["day"].is_monotonic_increasing and not [name for name in table if name.startswith("empty")]
    expected = prices.features(known.ffill())["oil next range"]
    assert table["oil next range"].to_numpy() == pytest.approx(expected.to_numpy())


@pytest.mark.parametrize("name", LEAST)
def test_an_example_keeps_its_promise(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = example(name).main()["tasks"]
    shown = capsys.readouterr().out
    for target, least in LEAST[name].items():
        assert found[target]["test"] > least, target
        assert f"{target}" in shown
