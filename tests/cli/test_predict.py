"""``predict`` and ``evaluate``: what they write, and what they do with tables that differ from the training table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from polytask.data import read_table
from polytask.runs import Bundle
from small_table import TARGETS, assert_refused, polytask, table_rows, write_table

INPUTS = ("key", "a", "b", "c", "colour", "note")
CLASSES = {"click": ("no", "yes"), "size": ("large", "medium", "small"), "rank": ("0", "1", "2", "3", "4")}


def predict(run: Path, data: Path, out: Path) -> pa.Table:
    result = polytask("predict", run, data, "--out", out)
    assert result.exit_code == 0, result.output
    return pa.parquet.read_table(out)


@pytest.fixture(scope="module")
def predictions(fitted: Any, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return predict(fitted.run, fitted.data, tmp_path_factory.mktemp("predict") / "p.parquet")


def test_columns_are_the_row_id_then_each_task_with_its_probabilities(predictions: pa.Table) -> None:
    expected = ["key"]
    for task in TARGETS:
        expected += [task, *(f"{task}_p_{label}" for label in CLASSES.get(task, ()))]
    assert predictions.column_names == expected


def test_rows_are_those_of_the_table_in_order(predictions: pa.Table) -> None:
    assert predictions["key"].to_pylist() == [row["key"] for row in table_rows()]


@pytest.mark.parametrize("task", CLASSES)
def test_probabilities_sum_to_1_and_the_class_follows_from_them(predictions: pa.Table, fitted: Any, task: str) -> None:
    shares = np.stack([predictions[f"{task}_p_{label}"].to_numpy() for label in CLASSES[task]], 1)
    assert np.abs(shares.sum(1) - 1).max() < 1e-5 and shares.min() >= 0
    stored = fitted.run / "thresholds.json"
    moved = json.loads(stored.read_text()) if stored.exists() else {}
    chosen = shares[:, 1] > moved[task]["threshold"] if task in moved else shares.argmax(1)
    assert predictions[task].to_pylist() == [CLASSES[task][int(index)] for index in chosen]


def test_predictions_are_those_of_the_networks(fitted: Any, predictions: pa.Table) -> None:
    bundle = Bundle.load(fitted.run)
    table = read_table(fitted.data, text=bundle.schema.word_columns)
    inputs = bundle.schema.encode_inputs(table)
    temperatures = {task.name: task.temperature for task in bundle.schema.tasks}
    for number, network in enumerate(bundle.networks):
        network.eval()
        outputs = network(inputs)
        for task in network.tasks:
            if bundle.serves[task.name] != (number,):
                continue
            output = outputs[task.name].detach().double() / temperatures[task.name]
            if task.kind == "regression":
                expected = output * task.scale + task.center
                np.testing.assert_allclose(predictions[task.name].to_numpy(), expected, rtol=1e-4, atol=1e-4)
            elif task.kind == "binary":
                np.testing.assert_allclose(predictions[f"{task.name}_p_yes"], output.sigmoid(), atol=1e-5)
            else:
                np.testing.assert_allclose(predictions[f"{task.name}_p_{task.classes[1]}"], output.softmax(1)[:, 1],
                                           atol=1e-5)  # fmt: skip


def test_missing_columns_are_named_all_at_once(fitted: Any, tmp_path: Path) -> None:
    data = write_table(tmp_path / "new.csv", table_rows(5), ["key", "a", "c", "note"])
    result = polytask("predict", fitted.run, data, "--out", tmp_path / "p.parquet")
    assert_refused(result, "2 problems", "new.csv: column 'b' is missing", "'colour' is missing")
    assert not (tmp_path / "p.parquet").exists()


def test_missing_row_id_is_no_obstacle(fitted: Any, predictions: pa.Table, tmp_path: Path) -> None:
    data = write_table(tmp_path / "new.csv", table_rows(), INPUTS[1:])
    assert predict(fitted.run, data, tmp_path / "p.parquet").equals(predictions.drop_columns(["key"]))


def test_extra_column_is_noted_and_has_no_effect(fitted: Any, predictions: pa.Table, tmp_path: Path) -> None:
    rows = [row | {"shoe": 42} for row in table_rows()]
    data = write_table(tmp_path / "new.csv", rows)
    result = polytask("predict", fitted.run, data, "--out", tmp_path / "p.parquet")
    assert result.exit_code == 0 and "note: new.csv" in result.stderr and "shoe" in result.stderr
    assert pa.parquet.read_table(tmp_path / "p.parquet").equals(predictions)


def test_order_of_columns_has_no_effect(fitted: Any, predictions: pa.Table, tmp_path: Path) -> None:
    data = write_table(tmp_path / "new.csv", table_rows(), INPUTS[::-1])
    assert predict(fitted.run, data, tmp_path / "p.parquet").equals(predictions)


def test_unseen_categories_and_missing_cells_are_predicted(fitted: Any, tmp_path: Path) -> None:
    rows = [row | {"colour": "purple", "a": "", "note": ""} for row in table_rows(5)]
    found = predict(fitted.run, write_table(tmp_path / "new.csv", rows), tmp_path / "p.parquet")
    assert found.num_rows == 5 and np.isfinite(found["price"].to_numpy()).all()


def test_zero_rows_are_refused(fitted: Any, tmp_path: Path) -> None:
    data = tmp_path / "new.csv"
    data.write_text(",".join(INPUTS) + "\n")
    assert_refused(polytask("predict", fitted.run, data, "--out", tmp_path / "p.parquet"), "new.csv", "no rows")
    assert not (tmp_path / "p.parquet").exists()


def test_words_where_numbers_were_are_refused(fitted: Any, tmp_path: Path) -> None:
    rows = table_rows(5)
    rows[2]["b"] = "lots"
    result = polytask("predict", fitted.run, write_table(tmp_path / "new.csv", rows), "--out", tmp_path / "p.parquet")
    assert_refused(result, "column 'b'", "expected numbers", "'lots' (row 3)")


def test_rows_with_repeated_ids_are_predicted_in_order(fitted: Any, tmp_path: Path) -> None:
    rows = [*table_rows(5), table_rows(1)[0]]
    found = predict(fitted.run, write_table(tmp_path / "new.csv", rows), tmp_path / "p.parquet")
    assert found["key"].to_pylist() == [row["key"] for row in rows]


def test_moved_run_predicts_the_same(fitted: Any, predictions: pa.Table, tmp_path: Path) -> None:
    shutil.copytree(fitted.run, tmp_path / "deep" / "elsewhere")
    assert predict(tmp_path / "deep" / "elsewhere", fitted.data, tmp_path / "p.parquet").equals(predictions)


@pytest.mark.parametrize(
    ("name", "start"), [("p.csv", b'"key","click"'), ("p.csv.gz", b"\x1f\x8b"), ("p.tsv", b'"key"\t"click"')]
)
def test_text_out_holds_the_same_and_is_what_its_name_states(
    fitted: Any, predictions: pa.Table, tmp_path: Path, name: str, start: bytes
) -> None:
    assert polytask("predict", fitted.run, fitted.data, "--out", tmp_path / name).exit_code == 0
    assert (tmp_path / name).read_bytes().startswith(start)
    found = read_table(tmp_path / name)
    assert found.column_names == predictions.column_names
    np.testing.assert_allclose(found["price"].to_numpy(), predictions["price"].to_numpy())


@pytest.mark.parametrize("name", ["a", "colour", "note", "key", "click", "price"])
def test_lists_and_bytes_where_words_or_numbers_were_are_refused(fitted: Any, tmp_path: Path, name: str) -> None:
    table, place = read_table(fitted.data), table_rows(1)[0]
    command = "evaluate" if name in TARGETS else "predict"
    for cells in ([["x"]], [b"\xff\xfe"]):
        at = list(place).index(name)
        pa.parquet.write_table(table.set_column(at, name, pa.array(cells * len(table))), tmp_path / "new.parquet")
        out = () if command == "evaluate" else ("--out", tmp_path / "p.parquet")
        result = polytask(command, fitted.run, tmp_path / "new.parquet", *out)
        assert_refused(result, f"{name!r}: expected a word or a number per cell, found")


def test_no_table_of_the_run_is_replaced(fitted: Any, tmp_path: Path) -> None:
    new, before = write_table(tmp_path / "new.csv", table_rows(5)), fitted.data.read_bytes()
    assert_refused(polytask("predict", fitted.run, new, "--out", fitted.data), "is a table of the run")
    assert fitted.data.read_bytes() == before
    (tmp_path / "parts").mkdir()
    part = tmp_path / "parts" / "0.parquet"
    pa.parquet.write_table(read_table(new), part)
    assert_refused(polytask("predict", fitted.run, part.parent, "--out", part), "is the input table")


def test_other_endings_are_refused(fitted: Any, tmp_path: Path) -> None:
    assert_refused(polytask("predict", fitted.run, fitted.data, "--out", tmp_path / "p.xlsx"), "p.xlsx", ".parquet")


def test_evaluate_gives_the_figures_of_the_results(fitted: Any, tmp_path: Path) -> None:
    split = pa.parquet.read_table(fitted.run / "split.parquet").to_pydict()
    part = dict(zip(split["id"], split["split"], strict=True))
    rows = [row for row in table_rows() if part[row["key"]] == "test"]
    data = write_table(tmp_path / "test.csv", rows)
    result = polytask("evaluate", fitted.run, data, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["tasks"]
    expected = json.loads((fitted.run / "results.json").read_text())["tasks"]
    assert list(found) == list(TARGETS)
    for name, entry in found.items():
        assert set(entry) == {"metric", "direction", "value", "labels", "interval"}
        assert entry["interval"][0] < entry["value"] < entry["interval"][1]
        assert entry["metric"] == expected[name]["metric"] and entry["direction"] == expected[name]["direction"]
        assert entry["value"] == pytest.approx(expected[name]["test"], abs=1e-5)
        assert entry["labels"] == sum(row[name] != "" for row in rows)


def test_evaluate_leaves_out_absent_targets_and_refuses_none(fitted: Any, tmp_path: Path) -> None:
    data = write_table(tmp_path / "some.csv", table_rows(), [*INPUTS, "price"])
    assert list(json.loads(polytask("evaluate", fitted.run, data, "--json").stdout)["tasks"]) == ["price"]
    data = write_table(tmp_path / "none.csv", table_rows(), INPUTS)
    assert_refused(
        polytask("evaluate", fitted.run, data), "none.csv", "none of the targets", "click, size, price, rank"
    )


def test_evaluate_refuses_a_label_that_is_no_class(fitted: Any, tmp_path: Path) -> None:
    rows = table_rows()
    rows[3]["click"] = "maybe"
    data = write_table(tmp_path / "new.csv", rows)
    assert_refused(polytask("evaluate", fitted.run, data), "target 'click'", "'maybe' (row 4)", "no, yes")
