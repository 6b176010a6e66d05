"""A search: resumable, for one objective or several, and its result fits."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from polytask.comparison.execute import execute as execute_run
from small_study import study
from small_table import assert_refused, polytask, table_rows, write_table


def search(folder: Path, **keys: Any) -> Path:
    base = yaml.safe_load(study(folder).read_text())["base"]
    path = folder / "search.yaml"
    path.write_text(yaml.safe_dump({"base": base, "trials": 3} | keys))
    return path


def tune(path: Path, *options: object) -> Any:
    return polytask("tune", path, "--out", path.parent / "out", "--jobs", 0, *options)


def trials(path: Path) -> list[dict[str, Any]]:
    return json.loads((path.parent / "out" / "results.json").read_text())["trials"]


def test_a_search_goes_on_and_its_best_can_be_fitted(tmp_path: Path) -> None:
    path = search(tmp_path, weights=True)
    assert tune(path).exit_code == 0
    first = trials(path)
    assert len(first) == 3 and all("weight of click" in trial["settings"] for trial in first)
    assert tune(path, "--set", "trials=4").exit_code == 0
    assert len(trials(path)) == 4 and trials(path)[:3] == first
    assert len({trial["settings"]["learning_rate"] for trial in trials(path)}) == 4
    assert polytask("fit", tmp_path / "out" / "best.yaml", "--out", tmp_path / "run").exit_code == 0


def test_the_base_stays_unless_a_trial_is_better_beyond_chance(tmp_path: Path) -> None:
    base = yaml.safe_load(study(tmp_path).read_text())["base"] | {"steps": 150, "learning_rate": 0.01}
    result = tune(search(tmp_path, base=base, trials=2, search={"batch_size": {"choices": [32, 31]}}))
    assert result.exit_code == 0 and "no trial is better than the base beyond chance" in result.output
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["best"] is None and found["highest"] in (0, 1) and found["gain"]["error"] < 0.1
    assert yaml.safe_load((tmp_path / "out" / "best.yaml").read_text())["training"]["batch_size"] == 32

    hopeless = tmp_path / "hopeless"
    hopeless.mkdir()
    ranges = {"learning_rate": {"low": 0.005, "high": 0.02}}
    path = search(hopeless, base=base | {"learning_rate": 1e-7}, trials=2, search=ranges, weights=True)
    write_table(hopeless / "table.csv", table_rows(800))
    result = tune(path)
    assert result.exit_code == 0 and "over the base, beyond chance" in result.output
    found = json.loads((hopeless / "out" / "results.json").read_text())
    assert found["best"] == found["highest"] and found["gain"]["value"] > 0.2 > found["base"]["mean_skill"]
    best = yaml.safe_load((hopeless / "out" / "best.yaml").read_text())
    assert best["training"]["learning_rate"] >= 0.005 and sum(best["balance"]["values"].values()) == pytest.approx(2)


def test_a_base_that_fails_is_no_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = search(tmp_path, trials=1)
    runs = iter([RuntimeError("out of memory")])

    def execute(spec: Any, folder: Path) -> Any:
        for error in runs:
            raise error
        return execute_run(spec, folder)

    monkeypatch.setattr("polytask.comparison.pools.execute", execute)
    result = tune(path)
    assert result.exit_code == 0 and "base: failed" in result.stderr and "out of memory" in result.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["base"] is None and found["gain"] is None and found["best"] == 0


@pytest.mark.parametrize(("sizes", "smaller"), [((4, 2), True), ((64, 32), False)])
def test_costs_have_no_errors(tmp_path: Path, sizes: tuple[int, ...], smaller: bool) -> None:
    path = search(tmp_path, objectives=["parameters"], search={"model.embedding": {"choices": sizes}}, trials=2)
    result = tune(path)
    assert result.exit_code == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    least = min(found["trials"], key=lambda trial: trial["values"]["parameters"])["number"]
    assert found["highest"] == least and found["gain"] is None
    assert found["best"] == (least if smaller else None)
    assert smaller or "no trial is better than the base, so the base stays" in result.output


def test_a_search_that_is_killed_while_it_draws_ends_as_one_left_alone(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        assert tune(search(tmp_path / name, trials=1)).exit_code == 0
    optuna = pytest.importorskip("optuna")
    killed = optuna.load_study(study_name="polytask", storage=f"sqlite:///{tmp_path / 'killed' / 'out' / 'study.db'}")
    drawn = killed.trials[0].distributions
    killed.ask({"learning_rate": drawn["learning_rate"]})  # killed before the other one was drawn
    for name in ("whole", "killed"):
        assert tune(tmp_path / name / "search.yaml", "--set", "trials=3").exit_code == 0
    assert trials(tmp_path / "killed" / "search.yaml") == trials(tmp_path / "whole" / "search.yaml")


def test_a_damaged_study_is_named(tmp_path: Path) -> None:
    path = search(tmp_path, trials=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "study.db").write_bytes(b"SQLite? " * 1000)
    assert_refused(tune(path), "study.db", "damaged", "--out")


@pytest.mark.parametrize("file", ["results.json", "runs/0123456789abcdef01234567/record.json"])
def test_a_folder_of_anything_else_is_left_alone(tmp_path: Path, file: str) -> None:
    theirs = tmp_path / "out" / file
    theirs.parent.mkdir(parents=True)
    theirs.write_text("of a run, or of a comparison")
    assert_refused(tune(search(tmp_path)), "has other content", "one of a search")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [theirs]


def test_several_objectives_have_a_front(tmp_path: Path) -> None:
    ranges = {"model.embedding": {"low": 1, "high": 32, "whole": True}, "learning_rate": {"low": 1e-3, "high": 0.1}}
    path = search(tmp_path, objectives=["click", "parameters"], search=ranges)
    assert tune(path, "--set", "sampler=random").exit_code == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["objectives"] == ["click", "parameters"]
    by_number = {trial["number"]: trial["values"] for trial in found["trials"]}
    for number in found["front"]:
        mine = by_number[number]
        assert not any(v["click"] > mine["click"] and v["parameters"] <= mine["parameters"] for v in by_number.values())
    rows = list(csv.DictReader((tmp_path / "out" / "front.csv").open()))
    assert [int(row["trial"]) for row in rows] == found["front"]
    assert (tmp_path / "out" / "front.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    "keys", [{"targets": ["click", "prise"]}, {"balance": {"name": "static", "values": {"prise": 1}}}]
)
def test_a_mistake_in_the_base_is_found_before_anything_is_made(tmp_path: Path, keys: dict[str, Any]) -> None:
    path = search(tmp_path, trials=1)
    right = path.read_text()
    content = yaml.safe_load(right)
    path.write_text(yaml.safe_dump(content | {"base": content["base"] | keys}))
    assert_refused(tune(path), "search.yaml: base: ")
    assert not (tmp_path / "out").exists()
    path.write_text(right)
    assert tune(path).exit_code == 0


def test_another_search_is_not_continued(tmp_path: Path) -> None:
    assert tune(search(tmp_path, trials=1)).exit_code == 0
    assert_refused(tune(search(tmp_path, trials=1, weights=True)), "began with another weights")


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"objectives": ["clik"]}, "unknown objective 'clik'; did you mean 'click'?"),
        ({"search": {"learning_rat": {"low": 1, "high": 2}}}, "search.learning_rat: unknown key 'learning_rat'"),
        ({"sampler": "grid"}, "sampler must be one of tpe, random, nsga2, found 'grid'"),
        ({"trails": 3}, "unknown key 'trails'; did you mean 'trials'?"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, keys: dict[str, Any], part: str) -> None:
    assert_refused(tune(search(tmp_path, **keys)), part)
