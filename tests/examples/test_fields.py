"""The examples of fields do what their first lines promise."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from documents import ROOT

#: The least test metric of some targets of each, and the largest of some.
LEAST = {
    "funnel": {"buys again": 0.72, "spend per order": 0.15},
    "molecules": {"potency": 0.4, "potent": 0.8, "qed": 0.8},
    "prices": {"S&P 500 next move": 0.1, "Nasdaq next move": 0.15, "oil next move": 0.25},
    "docstrings": {"library": 0.75, "class": 0.85, "parameters": 0.2, "length": 0.1, "example": 0.7},
}
MOST = {"funnel": {"orders": 1.8}, "prices": {f"{name} next change": 0.03 for name in ("S&P 500", "Nasdaq", "oil")}}


def example(name: str) -> Any:
    """The module of an example."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_customers_of_the_funnel_are_described_by_their_past_alone() -> None:
    """Purchases after the cut change targets and no feature."""
    funnel = example("funnel")
    log = funnel.purchases()
    assert len(log) == 69_659 and log["customer"].nunique() == 23_570
    table, before = funnel.customers(log), funnel.customers(log[log["date"] < funnel.CUT])
    pd.testing.assert_frame_equal(table.drop(columns=funnel.TARGETS), before.drop(columns=funnel.TARGETS))
    assert not before["buys again"].any() and (table["orders"].notna() == table["buys again"]).all()


def test_prices_are_read_from_a_file(tmp_path: Path) -> None:
    """In the form of the European Central Bank's: newest first, `N/A` where there is no rate, an empty last column."""
    prices = example("prices")
    known = prices.shipped().iloc[:300]
    known.iloc[20:40, 0] = None
    known.iloc[::-1].assign(empty=None).to_csv(tmp_path / "rates.csv", index_label="Date", na_rep="N/A")
    table = prices.features(prices.read(tmp_path / "rates.csv"))
    assert table["day"].is_monotonic_increasing and not [name for name in table if name.startswith("empty")]
    expected = prices.features(known.ffill())["S&P 500 next move"]
    assert table["S&P 500 next move"].to_numpy() == pytest.approx(expected.to_numpy())


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAST)
def test_an_example_keeps_its_promise(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = example(name).main()["tasks"]
    shown = capsys.readouterr().out
    for target, least in LEAST[name].items():
        assert found[target]["test"] > least, target
        assert target in shown
    for target, most in MOST.get(name, {}).items():
        assert found[target]["test"] < most, target
