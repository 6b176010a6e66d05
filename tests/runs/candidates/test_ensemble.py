"""Forests, boosting, linear models and networks of other folds are served, exported and reported as one model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from polytask.config import make_config
from polytask.deployment.export import export_run
from polytask.display.display import Display
from polytask.errors import UserError
from polytask.models.fitted import FittedModel
from polytask.runs import fit_run
from polytask.runs.bundle import Bundle
from polytask.runs.candidates import families
from polytask.runs.candidates.cross_fit import development
from polytask.runs.candidates.ensemble import complete
from polytask.runs.candidates.mixing import Judged, Shares, choose_shares
from polytask.runs.preparation.prepare import prepare
from polytask.runs.use import evaluate_table, predict_table
from small_table import TARGETS, polytask, table_rows, write_table

SMALL = {
    "steps": 20,
    "networks": 1,
    "baselines": False,
    "threads": 1,
    "evaluate_every": 4,
    "model": {"hidden": [16, 8], "numbers": {"name": "piecewise", "bins": 32}},  # networks that get a share
    "id": "key",
}


@dataclass(frozen=True)
class Fitted:
    """A run and its results."""

    table: Path
    run: Path
    keys: dict[str, Any]
    results: dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def small_families() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "TREES", 6)
        patch.setattr(families, "ROUNDS", 20)
        yield


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """Targets of all kinds of tables with missing labels, numbers, categories and text."""
    folder = tmp_path_factory.mktemp("ensemble")
    table = write_table(folder / "t.csv", table_rows(160))
    keys = {
        "data": str(table),
        "targets": TARGETS,
        "candidates": ["networks", "trees", "linear"],
        "ensemble": 2,
        **SMALL,
    }
    return Fitted(table, folder / "run", keys, fit_run(make_config(keys), folder / "run"))


def test_what_is_served_is_the_mean_by_shares_that_results_report(fitted: Fitted) -> None:
    about, tasks = fitted.results["totals"]["ensemble"], fitted.results["tasks"]
    assert set(about["shares"]) == set(tasks) == set(TARGETS)
    trainings = fitted.results["totals"]["trainings"]
    assert {"ensemble_0", "ensemble_1"} <= set(trainings) and "extra_trees" in trainings
    for name, entry in tasks.items():
        served = {trainings[place].removesuffix("_0").removesuffix("_1") for place in entry["networks"]}
        assert served == {"ensemble" if one == "networks" else one for one in about["shares"][name]}
        assert entry["validation"] is not None and entry["test"] is not None
    assert fitted.results["totals"]["parameters"] > 0 and about["milliseconds_per_row"] > 0


def test_predictions_are_of_the_stored_models_and_reported_metrics_are_theirs(fitted: Fitted, tmp_path: Path) -> None:
    bundle = Bundle.load(fitted.run)
    assert sum(isinstance(model, FittedModel) for model in bundle.networks) >= 2
    assert predict_table(fitted.run, fitted.table, tmp_path / "p.parquet", Display()) == 160
    shares = pq.read_table(tmp_path / "p.parquet").select([f"size_p_{size}" for size in ("large", "medium", "small")])
    torch.testing.assert_close(torch.tensor([sum(row.values()) for row in shares.to_pylist()]), torch.ones(160))
    split = pq.read_table(fitted.run / "split.parquet")
    held = {row["id"] for row in split.to_pylist() if row["split"] == "test"}
    test = [row for row in table_rows(160) if row["key"] in held]
    found = evaluate_table(fitted.run, write_table(tmp_path / "test.csv", test), Display())
    for name, entry in fitted.results["tasks"].items():
        assert found[name]["value"] == pytest.approx(entry["test"], abs=1e-5)


def test_a_finished_family_is_read_again_and_the_run_ends_alike(fitted: Fitted, tmp_path: Path) -> None:
    config, run = make_config(fitted.keys), tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("polytask.runs.candidates.make.mix", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fit_run(config, run)
        patch.undo()
        patch.setattr("polytask.runs.candidates.ensemble.fit_family", lambda *_: pytest.fail("fitted again"))
        again = fit_run(config, run, resume=True)["tasks"]
    assert again == fitted.results["tasks"]


@pytest.mark.slow
def test_one_file_predicts_what_the_ensemble_does(fitted: Fitted, tmp_path: Path) -> None:
    exported = export_run(fitted.run, tmp_path / "model.pt2", format="torch", tasks=["price", "size"])
    assert exported.difference < 1e-4 and exported.source == "t.csv"


def test_every_row_is_held_out_once_or_the_users_validation_rows_are(fitted: Fitted) -> None:
    data = prepare(make_config(fitted.keys))
    config, parts = make_config(fitted.keys), (data.rows["train"], data.rows["validation"])
    found = development(config, *parts, 4)
    held = torch.cat([rows for _, rows in found.folds])
    assert sorted(held.tolist()) == list(range(len(found.rows))) and found.in_folds
    assert all(not set(learn.tolist()) & set(rows.tolist()) for learn, rows in found.folds)
    grouped = development(config.model_copy(update={"group": "colour"}), *parts, 4)
    ((learn, rows),) = grouped.folds
    assert (len(learn), len(rows)) == tuple(map(len, parts)) and grouped.judged.tolist() == rows.tolist()


def test_rows_of_one_group_count_as_one(fitted: Fitted, tmp_path: Path) -> None:
    rows = [row | {"team": f"t{number // 8}"} for number, row in enumerate(table_rows(160))]
    keys = {"data": str(write_table(tmp_path / "t.csv", rows)), "targets": ["click", "price"], "group": "team",
            "candidates": ["networks", "linear"], **SMALL}  # fmt: skip
    counted: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:

        def watched(judged: Mapping[str, Judged]) -> dict[str, Shares]:
            counted.extend((len(one.ids), len(one.ids.unique())) for one in judged.values())
            return choose_shares(judged)

        patch.setattr("polytask.runs.candidates.ensemble.choose_shares", watched)
        fit_run(make_config(keys), tmp_path / "run")
    assert len(counted) == 2 and all(units <= -(-count // 2) for count, units in counted)


def test_the_report_and_the_doctor_know_an_ensemble(fitted: Fitted) -> None:
    page = (fitted.run / "report.html").read_text()
    assert "Predictions are the mean of 2 networks, " in page and "Served: the mean of" in page
    assert polytask("doctor", fitted.run).exit_code == 0
    kept = json.loads((fitted.run / "selection.json").read_text())
    assert kept["compared"]["kept"] == "ensemble" and len(kept["networks"]) == len(list(fitted.run.glob("networks/*")))


def test_a_search_judges_the_networks_alone(fitted: Fitted, tmp_path: Path) -> None:
    results = fit_run(make_config(fitted.keys | {"targets": ["price"]}), tmp_path / "run", final_part="validation")
    assert "ensemble" not in results["totals"] and results["totals"]["networks"] == 1


def test_presets_are_keys_that_others_override() -> None:
    about = {"data": "t.csv", "targets": ["a"]}
    best = make_config({**about, "preset": "best", "ensemble": 3})
    assert (best.candidates, best.ensemble) == (("networks", "trees", "linear"), 3)
    assert make_config({**about, "preset": "fast"}).baselines is False
    assert make_config({**about, "preset": "good"}) == make_config(about)
    assert make_config(best.model_dump(by_alias=True)) == best


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"candidates": ["trees"]}, "candidates: networks are always among them"),
        ({"ensemble": 2, "devices": 2}, "candidates, ensemble: one process trains them"),
        ({"ensemble": 2, "together": [["click", "size"]]}, "does not go with together"),
    ],
)
def test_what_does_not_combine_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_config({"data": "t.csv", "targets": TARGETS, **keys})


def test_new_tasks_do_not_join_an_ensemble(fitted: Fitted, tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name not in TARGETS[:3]} for row in table_rows(60)]
    keys = {"data": str(write_table(tmp_path / "n.csv", [row | {"more": row["rank"] > 2} for row in rows])),
            "targets": ["more"], "from": str(fitted.run)}  # fmt: skip
    with pytest.raises(UserError, match="forests and linear models"):
        fit_run(make_config(keys), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rows_with_outputs_are_known_also_where_there_are_none() -> None:
    """A target may have no label in the validation rows."""
    rows = torch.tensor([[1.0, 2.0], [float("nan"), 2.0], [1.0, 2.0]])
    assert complete(rows).tolist() == complete(rows[:, :1]).tolist() == [True, False, True]
    assert complete(rows[:, 0]).tolist() == [True, False, True]
    assert complete(rows[:0]).tolist() == complete(rows[:0, 0]).tolist() == []
