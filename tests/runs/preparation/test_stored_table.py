"""A Parquet table whose features stay in the file while training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch

from polytask.config import make_config
from polytask.data import Rows, SparseRows
from polytask.runs.preparation import stored as prepare_stored
from polytask.runs.preparation.prepare import prepare
from polytask.runs.preparation.prepared import labelled_rows
from small_table import TARGETS, assert_refused, fit, polytask, table_rows, write_table

ROWS = 600


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same table as CSV and, in small row groups, as Parquet."""
    folder = tmp_path_factory.mktemp("tables")
    rows = table_rows(ROWS)
    for number, row in enumerate(rows):
        row["part"] = ("train", "train", "train", "valid", "test")[number % 5]
        row["trust"] = 1 + number % 3
    csv = write_table(folder / "table.csv", rows)
    pa.parquet.write_table(pa.csv.read_csv(csv), folder / "table.parquet", row_group_size=64)
    return csv, folder / "table.parquet"


def config(path: Path, **values: object):
    keys = {"data": str(path), "targets": list(TARGETS), "id": "key", "split": "part", "sample_weight": "trust"}
    return make_config({**keys, **values})


def test_the_rows_are_those_of_a_table_in_memory(tables: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_stored, "HELD_ROWS", 100)  # validation and test (120 rows) stay in the file, too
    stored, held = (prepare(config(tables[1], stream=stream)) for stream in (True, False))
    assert stored.schema == held.schema
    for part, expected in held.rows.items():
        rows = stored.rows[part]
        assert rows.stored is not None and len(rows) == len(expected)
        ids = np.random.default_rng(0).permutation(len(rows))[:50]
        found, wanted = rows[ids_of(ids)], expected[ids_of(ids)]
        for name, values in wanted.inputs.items():
            pair = [v.dense() if isinstance(v, SparseRows) else v for v in (found.inputs[name], values)]
            assert (pair[0] == pair[1]).all()
        assert (found.targets == wanted.targets).all() and (found.weights == wanted.weights).all()
        assert (found.observed == wanted.observed).all()


def ids_of(ids: np.ndarray):
    import torch

    return torch.from_numpy(ids)


def test_every_class_is_found_whatever_the_sample(tables: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_stored, "SAMPLE", 30)
    prepared = prepare(config(tables[1], stream=True))
    classes = {task.name: task.classes for task in prepared.tasks}
    assert classes["size"] == ("large", "medium", "small") and classes["rank"] == ("0", "1", "2", "3", "4")
    assert "sample" in prepared.describe()[-1] and "read while training" in prepared.describe()[-1]


@pytest.mark.slow
def test_fit_learns_as_from_memory_and_continues(tables: tuple[Path, Path], tmp_path: Path) -> None:
    options = ("--set", "stream=true", "--split", "part", "--no-baselines", "--networks", "1", "--ignore", "trust")
    result = fit(tables[1], tmp_path / "run", *options, "--steps", "200")
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["totals"]["rows"] == {"train": 360, "validation": 120, "test": 120}
    assert results["tasks"]["click"]["test"] > 0.8 and results["tasks"]["price"]["test"] > 0.5
    predicted = polytask("predict", tmp_path / "run", tables[1], "--out", tmp_path / "predictions.parquet")
    assert predicted.exit_code == 0, predicted.output
    again = fit(tables[1], tmp_path / "again", *options, "--steps", "200")
    assert again.exit_code == 0
    assert json.loads((tmp_path / "again" / "results.json").read_text())["tasks"] == results["tasks"]


@pytest.mark.slow
def test_grouping_convergence_and_teachers_work_on_it(tables: tuple[Path, Path], tmp_path: Path) -> None:
    options = ("--set", "stream=true", "--split", "part", "--ignore", "trust", "--networks", "2", "--distill", "mtlkd")
    settings = ("--set", "convergence.test=fixed", "--set", "convergence.fixed_step=60", "--steps", "120")
    result = fit(tables[1], tmp_path / "run", *options, *settings, "--set", "evaluate_every=10")
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    events = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {event["task"] for event in events if event["event"] == "converged"} == set(TARGETS)
    assert set(results["baselines"]["single_task"]) == set(TARGETS)


def test_other_files_cannot_be_read_while_training(tables: tuple[Path, Path], tmp_path: Path) -> None:
    result = fit(tables[0], tmp_path / "run", "--set", "stream=true")
    assert_refused(result, "stream", "Parquet", "table.csv", "convert")
    assert not (tmp_path / "run").exists()


def test_only_large_tables_are_read_while_training(tables: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepare(config(tables[1])).rows["train"].stored is None
    monkeypatch.setattr(prepare_stored, "MEMORY_SHARE", 1e-9)
    assert prepare(config(tables[1])).rows["train"].stored is not None


@pytest.mark.parametrize("seed", [0, 1])
def test_a_drawn_split_is_a_function_of_rows_and_seed(tables: tuple[Path, Path], seed: int) -> None:
    options = {"split": [0.7, 0.15, 0.15], "ignore": ["part"], "seed": seed}
    stored, held = (prepare(config(tables[1], stream=stream, **options)) for stream in (True, False))
    assert (stored.split == held.split).all()
    assert stored.rows["train"].stored is not None and stored.rows["validation"].stored is None


def test_mistakes_are_named_as_for_other_tables(tables: tuple[Path, Path], tmp_path: Path) -> None:
    result = fit(tables[1], tmp_path / "run", "--set", "stream=true", "--ignore", "nothing", targets=("click", "prise"))
    assert_refused(result, "nothing", "prise")
    missing = fit(tmp_path / "none.parquet", tmp_path / "run", "--set", "stream=true")
    assert_refused(missing, "no such file")


def test_a_target_of_lists_is_a_clear_mistake(tmp_path: Path) -> None:
    values = {"x": np.arange(90.0), "labels": [["a"], ["a", "b"], []] * 30}
    pa.parquet.write_table(pa.table(values), tmp_path / "lists.parquet")
    result = polytask("fit", tmp_path / "lists.parquet", "--targets", "labels", "--out", tmp_path / "run",
                      "--set", "stream=true")  # fmt: skip
    assert_refused(result, "labels")


def test_labels_of_all_tasks_are_not_copied() -> None:
    rows = Rows(torch.zeros(4, 2), torch.zeros(4, 3), torch.tensor([[True, False, True]] * 4))
    assert labelled_rows(rows, [0, 1, 2]) is rows
    assert len(labelled_rows(rows, [1])) == 0
    assert labelled_rows(rows, [2, 1]).observed.tolist() == [[True, False]] * 4


@pytest.mark.parametrize("stream", [True, False])
def test_rows_of_a_group_are_known_as_such(tables: tuple[Path, Path], tmp_path: Path, stream: bool) -> None:
    """Also where another part of the split holds the rest of the group, and in the file that tells ``evaluate``."""
    data = prepare(config(tables[1], stream=stream, group="trust", split=[0.4, 0.3, 0.3]))
    trust = pa.parquet.read_table(tables[1])["trust"].to_numpy()
    for code, rows in enumerate(data.rows.values()):
        assert rows.groups is not None
        assert len(np.unique(np.c_[rows.groups, trust[data.split == code]], axis=0)) == 1
    assert len({int(rows.groups[0]) for rows in data.rows.values() if rows.groups is not None}) == 3
    data.save(tmp_path / "schema.json", tmp_path / "split", tmp_path / "encoder")
    assert json.loads((tmp_path / "schema.json").read_text())["together"] == {"group": "trust"}
