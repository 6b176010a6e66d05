"""Several data sets: each with its own columns and targets, drawn as asked, predicted alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import yaml

from small_table import polytask


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tables: reviews (text, few rows) and sales (numbers, many rows), and a column that both have."""
    folder = tmp_path_factory.mktemp("study")
    generator = np.random.default_rng(0)
    words = np.array(["good nice fine", "bad awful poor", "great lovely", "broken terrible"])
    kind = generator.integers(0, 4, 120)
    text = [f"{words[k]} {generator.integers(1000)} {generator.integers(1000)} thing" for k in kind]
    region = generator.choice(["north", "south"], 120)
    pa.csv.write_csv(
        pa.table({"text": text, "region": region, "happy": (kind % 2 == 0).astype(int)}), folder / "reviews.csv"
    )
    size = generator.normal(size=360)
    pa.csv.write_csv(
        pa.table({
            "size": size,
            "region": generator.choice(["north", "south"], 360),
            "price": size * 3 + generator.normal(size=360),
            "happy": np.zeros(360, int),
        }),
        folder / "sales.csv",
    )  # fmt: skip
    values = {
        "data": [{"table": "reviews.csv", "targets": ["happy"]}, {"table": "sales.csv", "targets": ["price"]}],
        "steps": 200,
        "evaluate_every": 50,
        "sampling": "equal",
        "networks": 1,
        "baselines": False,
        "converge": "off",
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(values))
    result = polytask("fit", folder / "study.yaml", "--out", folder / "run", "--quiet")
    assert result.exit_code == 0, result.output
    return folder


def test_both_targets_are_learned_from_their_own_rows(study: Path) -> None:
    results = json.loads((study / "run" / "results.json").read_text())
    assert results["tasks"]["happy"]["test"] > 0.9 and results["tasks"]["price"]["test"] > 0.7
    assert sum(results["totals"]["rows"].values()) == 480


def test_what_was_drawn_is_logged_and_equal_shares_were_drawn(study: Path) -> None:
    lines = [json.loads(line) for line in (study / "run" / "metrics.jsonl").read_text().splitlines()]
    drawn = [line["labels"] for line in lines if line["event"] == "evaluation"]
    assert all(abs(labels["happy"] - labels["price"]) <= 2 for labels in drawn)
    (end,) = [line for line in lines if line["event"] == "training_end"]
    assert end["drawn"][0] == end["drawn"][1] > 0
    page = (study / "run" / "report.html").read_text()
    assert f"reviews.csv {end['drawn'][0]:,}; sales.csv {end['drawn'][1]:,}" in page


def test_rows_of_one_data_set_can_be_predicted_and_measured_alone(study: Path) -> None:
    out = study / "predictions.parquet"
    result = polytask("predict", study / "run", study / "sales.csv", "--out", out)
    assert result.exit_code == 0, result.output
    assert pa.parquet.read_table(out).num_rows == 360
    result = polytask("evaluate", study / "run", study / "reviews.csv", "--json")
    assert json.loads(result.stdout)["tasks"]["happy"]["value"] > 0.9


def test_a_table_that_fits_no_data_set_is_refused(study: Path) -> None:
    (study / "other.csv").write_text("region\nnorth\n")
    out = study / "none.parquet"
    result = polytask("predict", study / "run", study / "other.csv", "--out", out)
    assert result.exit_code == 2 and "missing" in result.stderr and not out.exists()


def test_a_target_that_its_data_set_lacks_is_named(study: Path) -> None:
    values = {"data": [{"table": "reviews.csv", "targets": ["hapy"]}, {"table": "sales.csv", "targets": ["price"]}]}
    (study / "wrong.yaml").write_text(yaml.safe_dump(values))
    result = polytask("fit", study / "wrong.yaml", "--out", study / "wrong")
    assert result.exit_code == 2 and "did you mean 'happy'" in result.stderr and not (study / "wrong").exists()
