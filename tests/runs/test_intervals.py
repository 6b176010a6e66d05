"""Prediction intervals and calibrated probabilities of a run, from training to predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.errors import UserError
from polytask.runs import Bundle


def make(rows: int, seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 2))
    return pd.DataFrame({
        "a": x[:, 0], "b": x[:, 1], "price": 100 + 10 * x[:, 0] + 5 * draw.normal(size=rows),
        "range": x[:, 1] + draw.normal(size=rows), "kind": np.array(["x", "y", "z"])[
            np.argmax(np.c_[x, np.zeros(rows)] + draw.normal(size=(rows, 3)), 1)],
    })  # fmt: skip


@pytest.fixture(scope="module")
def predictor() -> pt.TablePredictor:
    settings = {"kind": {"range": "quantile"}, "networks": 1, "steps": 120, "baselines": False, "learning_rate": 3e-3}
    return pt.TablePredictor(["price", "range", "kind"], interval=0.8, **settings).fit(make(900, 0))


def held(predictor: pt.TablePredictor, table: pd.DataFrame, interval: float | None = None) -> dict[str, float]:
    found = predictor.predict(table, interval=interval)
    shares = {
        name: float(table[name].between(found[f"{name}_low"], found[f"{name}_high"]).mean())
        for name in ("price", "range")
    }
    sets = found["kind_set"].str.split(";")
    return shares | {"kind": float(np.mean([own in some for own, some in zip(table["kind"], sets, strict=True)]))}


@pytest.mark.parametrize("level", [None, 0.5, 0.95])
def test_new_rows_are_held_as_often_as_asked(predictor: pt.TablePredictor, level: float | None) -> None:
    expected = level or 0.8
    for share in held(predictor, make(2000, 1), level).values():
        assert expected - 0.09 < share < expected + 0.09


def test_coverage_on_test_is_in_the_results_and_the_report(predictor: pt.TablePredictor) -> None:
    found = {name: entry["coverage"] for name, entry in predictor.results["tasks"].items()}
    assert set(found) == {"price", "range", "kind"}
    for one in found.values():
        assert one["level"] == 0.8 and one["interval"][0] <= one["share"] <= one["interval"][1] and one["size"] > 0
    assert "intervals hold" in predictor.report().html


def test_predictions_have_no_intervals_unless_asked_and_old_runs_say_why(
    predictor: pt.TablePredictor, tmp_path: Path
) -> None:
    run = predictor.save(tmp_path / "run")
    stored = json.loads((run / "intervals.json").read_text())
    (run / "intervals.json").write_text(json.dumps(stored | {"level": None}))
    plain = Bundle.load(run).predict(make(5, 2))
    assert not [name for name in plain.column_names if name.endswith(("_low", "_high", "_set"))]
    with pytest.raises(UserError, match="between 0 and 1"):
        Bundle.load(run).predict(make(5, 2), interval=90)
    (run / "intervals.json").unlink()
    with pytest.raises(UserError, match="earlier version"):
        Bundle.load(run).predict(make(5, 2), interval=0.9)
    (run / "intervals.json").write_text('{"level": 0.9, "tasks": {"price": {}}}')
    with pytest.raises(UserError, match=r"intervals\.json: damaged"):
        Bundle.load(run)


def test_probabilities_are_those_of_the_temperature(predictor: pt.TablePredictor, tmp_path: Path) -> None:
    run = predictor.save(tmp_path / "run")
    before = pt.load(run).predict_proba(make(50, 3))["kind"]
    known = (run / "calibration.json").exists()
    old = json.loads((run / "calibration.json").read_text())["kind"]["temperature"] if known else 1.0
    (run / "calibration.json").write_text(json.dumps({"kind": {"temperature": 2 * old}}))
    after = pt.load(run).predict_proba(make(50, 3))["kind"]
    expected = np.sqrt(before.to_numpy())
    np.testing.assert_allclose(after, expected / expected.sum(1, keepdims=True), rtol=1e-4)
    (run / "calibration.json").write_text('{"kind": {}}')
    with pytest.raises(UserError, match=r"calibration\.json: damaged"):
        pt.load(run)
