"""A target whose cells are sets of labels, through all commands."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest

from polytask.data import read_table
from realdata import realdata
from small_table import FAST, assert_refused, polytask

LABELS = ("blue", "green", "red")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three labels that follow from the features, rows without any, and rows of which nothing is known."""
    draw, rows = np.random.default_rng(0), []
    for values in draw.normal(size=(300, 4)).round(4):
        labels = [label for label, value in zip(LABELS, values, strict=False) if value + values[3] > 0.3]
        rows.append([*values, "" if draw.random() < 0.1 else ";".join(labels) or ";", int(values[0] > values[1])])
    path = tmp_path_factory.mktemp("sets") / "table.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([["a", "b", "c", "d", "tags", "click"], *rows])
    return path


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    out = data.parent / "run"
    result = polytask("fit", data, "--targets", "tags,click", "--kind", "tags=multilabel", "--out", out, *FAST,
                      "--converge", "joint", "--networks", 1, "--learning-rate", 0.01)  # fmt: skip
    assert result.exit_code == 0, result.output
    return out


def test_a_run_knows_the_task_and_measures_it(run):
    task = json.loads((run / "results.json").read_text())["tasks"]["tags"]
    assert (task["kind"], task["metric"], task["direction"]) == ("multilabel", "mean_roc_auc", "max")
    assert task["test"] > 0.8 and "tags" in (run / "report.html").read_text()


def test_predictions_are_sets_with_a_probability_for_each_label(run, data, tmp_path):
    assert polytask("predict", run, data, "--out", tmp_path / "p.csv").exit_code == 0
    found = pyarrow.csv.read_csv(tmp_path / "p.csv")
    assert found.column_names[:4] == ["tags", *(f"tags_p_{label}" for label in LABELS)]
    for row in found.to_pylist():
        assert row["tags"] == (";".join(label for label in LABELS if row[f"tags_p_{label}"] > 0.5) or ";")


def test_evaluating_the_table_again(run, data):
    result = polytask("evaluate", run, data, "--json")
    task = json.loads(result.stdout)["tasks"]["tags"]
    assert task["value"] > 0.8
    assert task["labels"] == sum(cell is not None for cell in read_table(data)["tags"].to_pylist())


def test_the_exported_file_agrees(run, tmp_path):
    result = polytask("export", run, "--format", "torch", "--out", tmp_path / "model.pt2")
    assert result.exit_code == 0 and "agrees" in result.output


def test_kinds_that_a_table_cannot_hold_are_refused(data, tmp_path):
    result = polytask("fit", data, "--targets", "tags", "--kind", "tags=ranking", "--out", tmp_path / "run")
    assert_refused(result, "kind.tags", "multilabel", "ranking")


@pytest.mark.realdata
@pytest.mark.evidence
def test_problems_of_flights(tmp_path):
    """TMC 2007: 500 words of a report, 22 problems; most of the mean ROC-AUC is learned within some seconds."""
    rows = []
    with gzip.open(realdata("multilabel/tmc2007-500") / "tmc2007-500-train.arff.gz", "rt") as stream:
        for line in stream:
            if line.startswith("{"):
                places = [int(part.split()[0]) for part in line.strip("{}\n ").split(",")]
                words = [int(word in places) for word in range(500)]
                rows.append([*words, ";".join(f"class{place - 499:02}" for place in places if place >= 500) or ";"])
            if len(rows) == 4000:
                break
    table = tmp_path / "tmc.csv"
    with table.open("w", newline="") as out:
        csv.writer(out).writerows([[*(f"w{word}" for word in range(500)), "problems"], *rows])
    result = polytask("fit", table, "--targets", "problems", "--kind", "problems=multilabel", "--out", tmp_path / "run",
                      "--set", "threads=1", "--steps", 400)  # fmt: skip
    assert result.exit_code == 0, result.output
    task = json.loads((tmp_path / "run" / "results.json").read_text())["tasks"]["problems"]
    assert task["test"] > 0.85
