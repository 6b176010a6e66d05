"""Cross-validation: rows are predicted by networks that have not seen them, and resuming changes nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score, roc_auc_score

import polytask as pt
from polytask.runs.bundle import Bundle
from polytask.runs.folds import pooled
from small_table import polytask

OPTIONS = (
    "--targets", "ill,cost", "--folds", "3", "--id", "key", "--group", "who", "--networks", "1", "--steps", "30",
    "--no-baselines", "--set", "threads=1", "--set", "model.hidden=[8]", "--set", "learning_rate=0.02", "--quiet",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("folds"), np.random.default_rng(0)
    x = draw.normal(size=(180, 2))
    frame = pd.DataFrame({"key": [f"r{i}" for i in range(180)], "a": x[:, 0], "b": x[:, 1]})
    frame["who"] = np.arange(180) // 3  # three rows each
    frame["ill"], frame["cost"] = (x[:, 0] > 0).astype(int), np.exp(x[:, 1]).round(3)
    frame.to_csv(folder / "t.csv", index=False)
    result = polytask("fit", folder / "t.csv", *OPTIONS, "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return folder


def test_metrics_are_of_the_out_of_fold_predictions(made: Path) -> None:
    table, found = pd.read_csv(made / "t.csv"), pd.read_parquet(made / "run" / "out_of_fold.parquet")
    assert found["key"].tolist() == table["key"].tolist() and found["fold"].value_counts().tolist() == [60, 60, 60]
    results = json.loads((made / "run" / "results.json").read_text())
    tasks = results["tasks"]
    assert tasks["ill"]["test"] == pytest.approx(roc_auc_score(table["ill"], found["ill_p_1"]), abs=1e-5)
    assert tasks["cost"]["test"] == pytest.approx(r2_score(table["cost"], found["cost"]), abs=1e-5)
    low, high = tasks["ill"]["interval"]
    assert low < tasks["ill"]["test"] < high and results["totals"]["folds"] == 3
    one = Bundle.load(made / "run" / "folds" / "1").predict(table).to_pandas()
    rows = found["fold"] == 1
    assert np.allclose(one["cost"][rows], found["cost"][rows], rtol=1e-5)


def test_rows_of_a_group_count_as_one_in_intervals(made: Path) -> None:
    tasks = Bundle.load(made / "run").schema.tasks
    found = pooled([made / "run" / "folds" / str(fold) for fold in range(3)], tasks)["ours"]["cost"]
    who = pd.read_csv(made / "t.csv")["who"].to_numpy()
    assert len(np.unique(np.c_[who[found.rows], found.units], axis=0)) == 60
    low, high = json.loads((made / "run" / "results.json").read_text())["tasks"]["cost"]["interval"]
    alone = replace(found, units=found.rows).estimate("r2")
    assert found.estimate("r2").error != alone.error and high - low == pytest.approx(
        3.92 * found.estimate("r2").error, rel=0.05
    )


def test_plots_are_of_the_out_of_fold_predictions(made: Path) -> None:
    table, found = pd.read_csv(made / "t.csv"), pd.read_parquet(made / "run" / "out_of_fold.parquet")
    plots = pt.load(made / "run").plots()
    assert plots["ill"]["confusion"].data.values == tuple(
        map(tuple, pd.crosstab(table["ill"], found["ill"]).to_numpy())
    )
    assert all(line.role != "mark" for line in plots["ill"]["roc"].data.lines)
    [row] = [line for line in plots["cost"]["predicted_true"].data.lines if line.role == "points"]
    p, y = np.array(row.points).T
    assert len(p) == len(table) and np.mean((p - y) ** 2) == pytest.approx(
        np.mean((found["cost"] - table["cost"]) ** 2), rel=1e-2
    )
    importance = plots.together["importance"].data
    values = dict(zip(importance.rows, importance.values, strict=True))
    ill, cost = (importance.columns.index(name) for name in ("ill", "cost"))
    assert values["a"][ill] > 0.2 > abs(values["b"][ill]) and values["b"][cost] > abs(values["a"][cost])
    assert "180 test rows" in importance.note
    [line] = plots["ill"]["dependence_a"].data.lines
    assert line.points[0][1] < line.points[-1][1] and all(low <= high for low, high in line.spans)
    assert len(line.spans) == len(line.points)
    report = (made / "run" / "report.html").read_text()
    assert "Predicted and true" in report and "Results over 3 folds" in report and "test split" not in report


def test_a_resumed_cross_validation_equals_one_that_was_not_interrupted(made: Path) -> None:
    run, before = made / "run", (made / "run" / "out_of_fold.parquet").read_bytes()
    shutil.rmtree(run / "folds" / "2")
    for name in ("results.json", "out_of_fold.parquet"):
        (run / name).unlink()
    result = polytask("fit", made / "t.csv", *OPTIONS, "--out", run, "--resume")
    assert result.exit_code == 0, result.output
    assert (run / "out_of_fold.parquet").read_bytes() == before


def test_evaluate_counts_rows_of_a_group_once(made: Path) -> None:
    """Three times the rows of the same people are no more certain; without the column nobody knows the people."""
    predictor, table = pt.load(made / "run"), pd.read_csv(made / "t.csv")
    thrice = pd.concat([table] * 3, ignore_index=True).drop(columns="key")

    def width(frame: pd.DataFrame) -> float:
        low, high = predictor.evaluate(frame)["cost"]["interval"]
        return high - low

    assert width(thrice) == pytest.approx(width(table), rel=0.25)
    assert width(thrice.drop(columns="who")) < 0.75 * width(table)


def test_a_custom_encoder_is_trained_and_predicts_its_folds(made: Path, tmp_path: Path, monkeypatch) -> None:
    code = (
        "import torch\n\n\nclass Net(torch.nn.Module):\n"
        "    def __init__(self, widths, size=4):\n        super().__init__()\n"
        "        self.layer = torch.nn.Linear(widths.numeric, size)\n\n"
        "    def forward(self, inputs):\n        return self.layer(inputs['numeric']).relu()\n"
    )
    (tmp_path / "folds_encoder.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    options = ("--targets", "ill", "--features", "a", "--folds", 2, "--networks", 1, "--no-baselines", "--steps", 2)
    done = polytask(
        "fit", made / "t.csv", *options, "--encoder", "folds_encoder:Net", "--out", tmp_path / "run", "--quiet"
    )
    assert done.exit_code == 0, done.output
    assert len(pd.read_parquet(tmp_path / "run" / "out_of_fold.parquet")) == 180
