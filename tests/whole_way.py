"""A table with one target of any kind through every command, for the tests of a kind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.csv
from starlette.testclient import TestClient

from polytask.data import read_table
from polytask.deployment import deployed_inputs
from polytask.runs.bundle import Bundle
from polytask.serving import make_application
from small_table import polytask

TARGET = "target"


@dataclass(frozen=True)
class WholeWay:
    """What every command gave.

    Attributes:
        result: The target's entry in ``results.json``.
        events: All events of the run.
        predictions: From ``predict``, of the same rows.
        served: From ``serve``, of the first rows.
        exported: Output of the ONNX file, of all rows.
        report: The page.
        doctor: What ``doctor`` prints.
    """

    result: dict[str, Any]
    events: list[dict[str, Any]]
    predictions: pa.Table
    served: list[dict[str, Any]]
    exported: np.ndarray
    report: str
    doctor: str


def whole_way(folder: Path, columns: dict[str, Any], kind: str, *options: str) -> WholeWay:
    """Train a network for ``columns["target"]`` of a kind and a binary target, and put it to use.

    Performance indicators go into the weights (`dtp`), and after two thirds of the steps soft labels are learned from.
    """
    first = np.asarray(columns["a"]) > 0
    table = pa.table({**columns, "positive": np.where(first, "yes", "no")})
    data, run, out = folder / "table.csv", folder / "run", folder / "predictions.csv"
    pa.csv.write_csv(table, data)
    _done("fit", data, "--targets", f"{TARGET},positive", "--kind", f"{TARGET}={kind}", "--out", run, "--networks", "1",
          "--balance", "dtp", "--steps", "300", "--batch-size", "32", "--set", "learning_rate=0.01",
          "--set", "convergence.test=fixed", "--set", "convergence.fixed_step=200", "--set", "threads=1",
          "--no-baselines", *options)  # fmt: skip
    _done("predict", run, data, "--out", out)
    _done("export", run, "--out", folder / "model.onnx", "--tasks", TARGET)
    bundle, features = Bundle.load(run), read_table(data).select(["a", "b"])
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    inputs = {name: value.numpy() for name, value in deployed_inputs(bundle, features).items()}
    with TestClient(make_application(run)) as client:
        answer = client.post("/predict", json={"rows": features.slice(0, 5).to_pylist()})
    assert answer.status_code == 200, answer.text
    return WholeWay(
        json.loads((run / "results.json").read_text())["tasks"][TARGET],
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()],
        read_table(out, text=["positive"]),
        answer.json()["predictions"],
        session.run([TARGET], inputs)[0],
        (run / "report.html").read_text(),
        _done("doctor", run),
    )


def _done(*arguments: object) -> str:
    result = polytask(*arguments)
    assert result.exit_code == 0, result.output
    return result.output
