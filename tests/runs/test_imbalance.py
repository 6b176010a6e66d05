"""A run with rare classes and a heavy tail: what is asked for is learned, chosen, stored, predicted and measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from polytask.config import make_config
from polytask.deployment.deployed import DeployedModel, description
from polytask.errors import UserError
from polytask.runs.bundle import Bundle
from polytask.runs.preparation.prepare import prepare
from small_table import polytask

OPTIONS = (
    "--targets", "rare,cost,part", "--metric", "rare=roc_auc,f1,brier", "--metric", "cost=r2,mae", "--networks", "1",
    "--steps", "150", "--no-baselines", "--set", "threads=1", "--set", "model.hidden=[16]",
    "--set", "learning_rate=0.01",
    "--set", "transform=log", "--set", "class_weights={part: {b: 3}}", "--set", "focal.part=1", "--quiet",
)  # fmt: skip


class Made(NamedTuple):
    table: Path
    run: Path
    results: dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, draw = tmp_path_factory.mktemp("imbalance"), np.random.default_rng(0)
    x = draw.normal(size=(1200, 3))
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    frame["rare"] = np.where(draw.random(1200) < 1 / (1 + np.exp(3 - 2 * x[:, 0])), "yes", "no")
    frame["cost"] = np.exp(1.5 * x[:, 1] + 0.2 * draw.normal(size=1200)).round(4)
    frame["part"] = np.where(x[:, 2] > 0, "a", "b")
    frame.to_csv(folder / "t.csv", index=False)
    result = polytask("fit", folder / "t.csv", *OPTIONS, "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return Made(folder / "t.csv", folder / "run", json.loads((folder / "run" / "results.json").read_text()))


def test_every_metric_is_reported_with_its_interval(made: Made) -> None:
    entry = made.results["tasks"]["rare"]
    assert list(entry["metrics"]) == list(entry["intervals"]) == list(entry["trivials"]) == ["roc_auc", "f1", "brier"]
    assert entry["metrics"]["roc_auc"] == entry["test"] and entry["intervals"]["roc_auc"] == entry["interval"]
    assert all(low < entry["metrics"][name] < high for name, (low, high) in entry["intervals"].items())
    assert "brier" in (made.run / "report.html").read_text()


def test_the_threshold_is_stored_and_used_everywhere(made: Made, tmp_path: Path) -> None:
    threshold = json.loads((made.run / "thresholds.json").read_text())["rare"]["threshold"]
    assert 0 < threshold < 0.5
    bundle = Bundle.load(made.run)
    assert bundle.schema.tasks[0].threshold == threshold
    found = bundle.predict(pd.read_csv(made.table)).to_pandas()
    assert (found["rare"] == np.where(found["rare_p_yes"] > threshold, "yes", "no")).all()
    split = pd.read_parquet(made.run / "split.parquet")["split"]
    pd.read_csv(made.table)[split == "test"].to_csv(tmp_path / "test.csv", index=False)
    evaluated = json.loads(polytask("evaluate", made.run, tmp_path / "test.csv", "--json").stdout)["tasks"]
    for name, entry in made.results["tasks"].items():
        again = {entry["metric"]: evaluated[name]["value"], **evaluated[name].get("metrics", {})}
        assert again == pytest.approx(entry["metrics"], abs=1e-5)
        assert evaluated[name]["interval"] == pytest.approx(entry["interval"], rel=0.2)


def test_a_heavy_tail_is_learned_on_its_scale_and_predicted_in_units(made: Made) -> None:
    table = pd.read_csv(made.table)
    found = Bundle.load(made.run).predict(table).to_pandas()["cost"]
    assert found.min() >= 0 and np.corrcoef(np.log1p(found), np.log1p(table["cost"]))[0, 1] > 0.9
    far = table.assign(b=-50.0)
    assert Bundle.load(made.run).predict(far).to_pandas()["cost"].min() >= 0


def test_an_exported_file_predicts_the_same(made: Made, tmp_path: Path) -> None:
    result = polytask("export", made.run, "--format", "torch", "--out", tmp_path / "m.pt2")
    assert result.exit_code == 0, result.output
    bundle = Bundle.load(made.run)
    outputs = description(DeployedModel(bundle, ["rare", "cost"]), bundle)["outputs"]
    assert outputs["rare"]["threshold"] == bundle.schema.tasks[0].threshold


def test_what_is_asked_for_is_in_the_tasks(made: Made) -> None:
    rare, cost, part = Bundle.load(made.run).schema.tasks
    assert (part.class_weights, part.losses, part.gamma) == ((1.0, 3.0), (("focal", 1.0),), 1.0)
    assert cost.transform == "log" and cost.low == 0 and rare.also == ("f1", "brier")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"class_weights": {"rare": {"maybe": 2}}}, "'maybe' is no class of 'rare'"),
        ({"class_weights": {"cost": "balanced"}}, "has no classes that rows could be weighted by"),
        ({"focal": {"cost": 2}}, "no loss 'focal'"),
        ({"focal": {"rare": 2}, "losses": {"rare": {"brier": 1}}}, "not both"),
        ({"transform": {"rare": "log"}}, "transform: is of targets that are numbers"),
        ({"bounds": {"cost": [2, 1]}}, "lower one has to be below"),
        ({"bounds": {"price": [0, 1]}}, "bounds: 'price' is not a target"),
        ({"threshold": {"cost": 0.3}}, "threshold: applies to two classes"),
        ({"threshold": {"rare": 3}}, "threshold"),
        ({"metric": {"rare": "roc_auc,brir"}}, "unknown metric 'brir'; did you mean 'brier'"),
    ],
)
def test_refused(made: Made, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(make_config({"data": str(made.table), "targets": ["rare", "cost", "part"], **keys}))
