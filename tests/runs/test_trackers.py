"""The history of a run in TensorBoard and MLflow is that of its metrics.jsonl."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from small_table import FAST, SMALL, assert_refused, polytask, table_rows, write_table


def run(folder: Path, *options: object) -> Path:
    data = write_table(folder / "table.csv", table_rows(120))
    common = ("--targets", "click,price", "--id", "key", "--networks", 1, "--no-baselines", *FAST, *SMALL)
    result = polytask("fit", data, *common, "--out", folder / "run", *options)
    assert result.exit_code == 0, result.output
    return folder / "run"


def last_loss(run: Path) -> tuple[int, float]:
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = [event for event in events if event["event"] == "evaluation"][-1]
    return last["step"], last["losses"]["price"]


def test_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = run(tmp_path, "--report-to", "tensorboard")
    shown = accumulator.EventAccumulator(str(folder / "tensorboard" / "network_0"))
    shown.Reload()
    scalar = shown.Scalars("losses/price")[-1]
    assert (scalar.step, scalar.value) == pytest.approx(last_loss(folder))


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = run(tmp_path, "--report-to", "mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (found,) = client.search_runs([client.get_experiment_by_name("polytask").experiment_id])
    assert found.info.run_name == "run network_0" and found.info.status == "FINISHED"
    metric = client.get_metric_history(found.info.run_id, "losses/price")[-1]
    assert (metric.step, metric.value) == pytest.approx(last_loss(folder))


def test_an_unknown_tracker_is_refused(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows(60))
    result = polytask("fit", data, "--targets", "click", "--out", tmp_path / "run", "--report-to", "tensorbord")
    assert_refused(result, "report_to.0 must be one of tensorboard, mlflow, found 'tensorbord'")
