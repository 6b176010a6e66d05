"""What a run stores of its test rows: importances and correlations of a table where they are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.errors import UserError
from polytask.records.run import read_run
from polytask.reporting import write_report
from polytask.reporting.plots import draw, plots_of


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(600, 3))
    found = pd.DataFrame({"a": x[:, 0], "a_again": x[:, 0] + 0.01 * draw.normal(size=600), "b": x[:, 1]})
    found["useless"] = x[:, 2]
    found["sold"] = x[:, 0] > 0
    found["price"] = 100 + 10 * x[:, 1]
    common = draw.normal(size=600)  # no feature says it
    found["left"], found["right"] = x[:, 1] + common, x[:, 1] - common
    found.loc[:299, "price"] = np.nan
    return found


@pytest.fixture(scope="module")
def predictor(table: pd.DataFrame) -> pt.TablePredictor:
    targets = ["sold", "price", "left", "right"]
    settings = {"networks": 1, "steps": 200, "baselines": False, "learning_rate": 3e-3}
    return pt.TablePredictor(targets, **settings).fit(table)


def test_what_matters_is_found_and_copies_count_together(predictor: pt.TablePredictor) -> None:
    found = predictor.plots().together["importance"].data
    values = dict(zip(found.rows, found.values, strict=True))
    sold, price = found.columns.index("sold"), found.columns.index("price")
    assert set(values) == {"a, a_again", "b", "useless"}
    assert values["a, a_again"][sold] > 0.5 > 0.1 > abs(values["useless"][sold])
    assert values["b"][price] > 0.5
    assert "dependence_b" in predictor.plots()["price"] and "dependence_useless" not in predictor.plots()["price"]


def test_dependence_is_in_the_units_of_column_and_target(predictor: pt.TablePredictor) -> None:
    [line] = predictor.plots()["price"]["dependence_b"].data.lines
    slopes = np.diff(line.points, axis=0)
    assert np.median(slopes[:, 1] / slopes[:, 0]) == pytest.approx(10, rel=0.3)


def test_errors_are_correlated_where_something_is_missing(predictor: pt.TablePredictor) -> None:
    found = predictor.plots().together["correlation_of_errors"].data
    left, right = found.rows.index("left"), found.rows.index("right")
    assert found.values[left][right] < -0.9


def test_the_map_shows_where_labels_are_missing(predictor: pt.TablePredictor) -> None:
    found = predictor.plots().together["missing_labels"].data
    shares = np.array(found.values[found.rows.index("price")])
    assert shares[:8].min() == 1 and shares[-8:].max() == 0 and not any(found.values[found.rows.index("sold")])


def test_plots_of_other_rows_and_their_figures(
    predictor: pt.TablePredictor, table: pd.DataFrame, tmp_path: Path
) -> None:
    plots = predictor.plots(table[["a", "a_again", "b", "useless", "sold"]])
    assert list(plots) == ["sold"] and set(plots["sold"]) == {
        "roc",
        "precision_recall",
        "gains",
        "calibration",
        "confusion",
    }
    assert np.sum(plots["sold"]["confusion"].data.values) == len(table)
    assert plots["sold"]["roc"].save(tmp_path / "roc.svg").read_text().startswith("<svg")
    assert "ROC" in plots._repr_html_()
    with pytest.raises(UserError, match="did you mean"):
        plots["solt"]


def test_the_report_draws_them_and_names_a_damaged_file(predictor: pt.TablePredictor, tmp_path: Path) -> None:
    run = predictor.save(tmp_path / "run")
    page = write_report(run).read_text(encoding="utf-8")
    assert all(title in page for title in ("Predictions and labels", "Precision and recall", "Errors by prediction"))
    by_task, together = plots_of(read_run(run))
    assert all(draw(plot) for plots in (*by_task.values(), together) for plot in plots)
    stored = json.loads((run / "plots.json").read_text())
    stored["all"][0].pop("rows")
    (run / "plots.json").write_text(json.dumps(stored))
    with pytest.raises(UserError, match=r"plots\.json: damaged"):
        write_report(run)


def test_more_rows_help_as_far_as_they_do(predictor: pt.TablePredictor, table: pd.DataFrame) -> None:
    curve = predictor.learning_curve(table[["a", "b", "sold", "price", "left", "right"]], shares=(0.2, 1.0))
    [line] = curve["sold"].data.lines
    assert [rows for rows, _ in line.points] == [90, 450] and line.points[1][1] > 0.5
    with pytest.raises(UserError, match="at most 1"):
        predictor.learning_curve(table, shares=(2.0,))
