"""``fit --from``: a task joins a trained network; the others are held, or bit-identical."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from adding import ADD, Earlier, add
from polytask.data import read_table
from polytask.runs.bundle import Bundle
from small_table import polytask


def results(run: Path) -> dict:
    return json.loads((run / "results.json").read_text())


def predictions(run: Path, table: Path, out: Path):
    assert polytask("predict", run, table, "--out", out, "--quiet").exit_code == 0
    return pq.read_table(out)


@pytest.fixture(scope="module")
def held(earlier: Earlier, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("held") / "run"
    result = add(earlier.one, earlier.later, "rank", out)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def frozen(earlier: Earlier, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("frozen") / "run"
    result = add(earlier.two, earlier.later, "rank", out, "--set", "freeze=encoder")
    assert result.exit_code == 0, result.output
    return out


def test_the_network_has_all_tasks_and_states_what_they_were_before(held):
    found = results(held)
    assert list(found["tasks"]) == ["click", "size", "price", "rank"]
    assert {entry["network"] for entry in found["tasks"].values()} == {0}
    before = found["baselines"]["before"]
    assert list(before) == ["click", "size", "price"] and all(entry["held"] for entry in before.values())
    assert before["click"]["test"] is not None and found["tasks"]["click"]["test"] is not None
    assert before["size"]["test"] is None and found["tasks"]["size"]["test"] is None  # the later table has no labels
    assert found["tasks"]["click"]["converged_epoch"] == 0.0
    assert 0 < before["price"]["agreement"] <= 1 and before["price"]["change"] > 0  # it has moved


def test_before_and_after_are_what_the_two_runs_say_about_the_test_rows(earlier, held, tmp_path):
    part = pq.read_table(held / "split.parquet")
    table = read_table(earlier.later).filter(pc.equal(part["split"], "test"))
    pq.write_table(table, tmp_path / "test.parquet")
    for run, expected in ((earlier.one, results(held)["baselines"]["before"]), (held, results(held)["tasks"])):
        found = json.loads(polytask("evaluate", run, tmp_path / "test.parquet", "--json").stdout)
        found = found.get("tasks", found)
        assert found["click"]["value"] == pytest.approx(expected["click"]["test"], abs=1e-6)


def test_the_new_run_is_a_run_like_any_other(held, earlier, tmp_path):
    table = predictions(held, earlier.later, tmp_path / "p.parquet")
    assert {"click", "size", "price", "rank"} <= set(table.column_names)
    page = (held / "report.html").read_text()
    assert "Tasks of the earlier run" in page and "Earlier" in page
    for command in (("report", held), ("doctor", held), ("evaluate", held, earlier.later)):
        assert polytask(*command).exit_code == 0


def test_with_a_frozen_encoder_the_earlier_networks_are_the_same_bytes(earlier, frozen):
    for number in (0, 1):
        weights = Path("networks") / str(number) / "model.safetensors"
        assert (frozen / weights).read_bytes() == (earlier.two / weights).read_bytes()
    assert results(frozen)["tasks"]["rank"]["network"] == 2
    for entry in results(frozen)["baselines"]["before"].values():
        assert (entry["agreement"], entry["change"]) == (1.0, 0.0)


def test_with_a_frozen_encoder_old_predictions_are_bit_identical(earlier, frozen, tmp_path):
    before = predictions(earlier.two, earlier.old, tmp_path / "before.parquet")
    after = predictions(frozen, earlier.old, tmp_path / "after.parquet")
    assert "rank" in after.column_names
    for name in before.column_names:
        assert before[name].equals(after[name])


def test_the_new_head_reads_the_frozen_features(frozen):
    bundle = Bundle.load(frozen)
    added, joined = bundle.networks[2], [results(frozen)["totals"]["trainings"][2].removeprefix("probe_")]
    base = bundle.networks[int(joined[0])]
    for name, value in added.encoder.state_dict().items():
        assert np.array_equal(value.numpy(), base.encoder.state_dict()[name].numpy())


def test_of_several_networks_only_the_one_that_is_joined_changes(earlier, tmp_path):
    out = tmp_path / "run"
    result = add(earlier.two, earlier.later, "rank", out, "--set", "into=1", quiet=False)
    assert result.exit_code == 0, result.output
    assert "rank joins network 1 (size, price)" in " ".join(result.output.split())
    same, moved = (Path("networks") / number / "model.safetensors" for number in "01")
    assert (out / same).read_bytes() == (earlier.two / same).read_bytes()
    assert (out / moved).read_bytes() != (earlier.two / moved).read_bytes()
    found = results(out)
    assert {name: entry["network"] for name, entry in found["tasks"].items()} == {
        "click": 0, "size": 1, "price": 1, "rank": 1
    }  # fmt: skip
    assert found["baselines"]["before"]["click"]["change"] == 0.0
    assert found["totals"]["trainings"] == ["as_before_0", "network_1"]


def test_the_network_whose_features_suit_it_best_is_joined_and_that_is_reported(earlier, tmp_path):
    result = add(earlier.two, earlier.later, "rank", tmp_path / "run", quiet=False)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "rank joins network" in said and "skill on validation of its head on the features of each network" in said
    assert "tasks of the earlier run, on the test rows" in said


@pytest.mark.parametrize("options", [(), ("--set", "freeze=encoder"), ("--converge", "sequential")])
def test_an_old_target_that_is_named_learns_again_from_its_labels(earlier, tmp_path, options):
    result = add(earlier.one, earlier.later, "click,rank", tmp_path / "run", *options)
    assert result.exit_code == 0, result.output
    before = results(tmp_path / "run")["baselines"]["before"]
    assert {name: entry["held"] for name, entry in before.items()} == {"click": False, "size": True, "price": True}
    assert before["click"]["change"] > 0


def test_fine_tuning_without_a_new_target(earlier, tmp_path):
    result = add(earlier.one, earlier.later, "click", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert list(results(tmp_path / "run")["tasks"]) == ["click", "size", "price"]


def test_a_layer_may_be_frozen_while_tasks_are_held(earlier, tmp_path):
    result = add(earlier.one, earlier.later, "rank", tmp_path / "run", "--set", "freeze=encoder.0")
    assert result.exit_code == 0, result.output
    before, after = (Bundle.load(run).networks[0].encoder.state_dict() for run in (earlier.one, tmp_path / "run"))
    moved = {name for name in before if not np.array_equal(before[name].numpy(), after[name].numpy())}
    assert moved and not any(name.startswith("0.") for name in moved)


def test_tasks_can_be_added_again_and_again(held, earlier, tmp_path):
    result = polytask("fit", earlier.old, "--from", held, "--targets", "price", "--out", tmp_path / "run", *ADD)
    assert result.exit_code == 0, result.output
    assert list(results(tmp_path / "run")["tasks"]) == ["click", "size", "price", "rank"]


def test_a_baseline_of_the_new_target_alone(earlier, tmp_path):
    result = add(earlier.one, earlier.later, "rank", tmp_path / "run", "--baselines")
    assert result.exit_code == 0, result.output
    assert list(results(tmp_path / "run")["baselines"]["single_task"]) == ["rank"]
