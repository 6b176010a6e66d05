"""``polytask export``: the written file predicts what ``predict`` does, from the table's own columns."""

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pytest
import torch

from polytask.data import read_table
from polytask.deployment import deployed_inputs, formats
from polytask.runs.bundle import Bundle
from small_table import assert_refused, polytask, table_rows, write_table


@pytest.fixture(scope="module")
def exported(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    result = polytask("export", fitted.run, "--out", path)
    assert result.exit_code == 0, result.output
    assert "it agrees with PyTorch on 256 rows of table.csv" in result.output
    return path


@pytest.fixture(scope="module")
def new_rows(fitted, tmp_path_factory):
    """The inputs of rows that no training has seen, some with missing and unseen values, and what ``predict`` says."""
    rows = table_rows(37, seed=5)
    rows[0]["colour"], rows[1]["b"], rows[2]["note"] = "violet", "", ""
    bundle = Bundle.load(fitted.run)
    path = write_table(tmp_path_factory.mktemp("rows") / "new.csv", rows)
    table = read_table(path, text=bundle.schema.word_columns)
    return deployed_inputs(bundle, table), bundle.predict(table)


def assert_agree(outputs, predictions: pa.Table, classes):
    for name, found in outputs.items():
        if name in classes:
            columns = [predictions[f"{name}_p_{label}"].to_numpy() for label in classes[name]]
            np.testing.assert_allclose(found, np.stack(columns, 1), atol=1e-5)
        else:
            np.testing.assert_allclose(found, predictions[name].to_numpy(), rtol=1e-5, atol=1e-5)


def classes_of(about):
    return {name: output["classes"] for name, output in about["outputs"].items() if "classes" in output}


@pytest.mark.parametrize("rows", [1, 2, 37])
def test_onnx_predicts_the_same_for_any_number_of_rows(exported, new_rows, rows):
    inputs, predictions = new_rows
    session = onnxruntime.InferenceSession(str(exported))
    about = json.loads(session.get_modelmeta().custom_metadata_map["polytask.json"])
    end = int(inputs["text_offsets"][rows])
    given = {name: value[:rows].numpy() for name, value in inputs.items() if not name.startswith("text_")}
    given |= {name: inputs[name][:end].numpy() for name in ("text_indices", "text_values")}
    given["text_offsets"] = inputs["text_offsets"][: rows + 1].numpy()
    outputs = dict(zip(about["outputs"], session.run(list(about["outputs"]), given), strict=True))
    assert len(outputs) == 4
    assert_agree(outputs, predictions.slice(0, rows), classes_of(about))


def test_the_file_states_what_it_takes_and_gives(exported):
    onnx.checker.check_model(str(exported))
    entries = {entry.key: entry.value for entry in onnx.load(exported).metadata_props}
    about = json.loads(entries["polytask.json"])
    assert about["inputs"]["numeric"]["columns"] == ["a", "b", "c"]
    assert set(about["inputs"]["categorical"]["columns"]["colour"]) == {"red", "green", "blue", "grey"}
    assert about["outputs"]["size"]["classes"] == ["large", "medium", "small"]
    assert about["outputs"]["price"] == {"type": "float64 [n]"}


def test_only_an_exported_file_is_replaced(fitted, exported, tmp_path):
    table = shutil.copy(fitted.data, tmp_path / "table.csv")
    before = table.read_bytes()
    assert_refused(polytask("export", fitted.run, "--out", table), "table.csv", "has not written it")
    assert table.read_bytes() == before
    written = shutil.copy(exported, tmp_path / "model.onnx")
    assert polytask("export", fitted.run, "--out", written).exit_code == 0


def test_torch_program_with_chosen_tasks(fitted, new_rows, tmp_path):
    path = tmp_path / "model.pt2"
    result = polytask("export", fitted.run, "--format", "torch", "--tasks", "price,click", "--out", path)
    assert result.exit_code == 0, result.output
    extra = {"polytask.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    about = json.loads(extra["polytask.json"])
    inputs, predictions = new_rows
    outputs = {name: value.detach().numpy() for name, value in program(**inputs).items()}
    assert set(outputs) == {"click", "price", "click_label"}
    assert_agree({name: outputs[name] for name in about["outputs"]}, predictions, classes_of(about))


def test_without_the_table_random_rows_are_checked(run_copy, tmp_path):
    config = run_copy / "config.yaml"
    config.write_text(config.read_text().replace("table.csv", "gone.csv"))
    result = polytask("export", run_copy, "--format", "torch", "--out", tmp_path / "model.pt2")
    assert result.exit_code == 0, result.output
    assert "rows of random rows" in result.output or "random rows" in result.output


def test_a_file_that_predicts_something_else_is_not_kept(fitted, tmp_path, monkeypatch):
    from polytask.deployment import formats

    read = formats.FORMATS["torch"].read

    def wrong(path):
        predict = read(path)
        return lambda inputs: {name: value + 0.01 for name, value in predict(inputs).items()}

    broken = formats.ExportFormat(lambda: None, formats.FORMATS["torch"].write, wrong)
    monkeypatch.setitem(formats.FORMATS, "torch", broken)
    result = polytask("export", fitted.run, "--format", "torch", "--out", tmp_path / "model.pt2")
    assert_refused(result, "differs from PyTorch", "nothing was written")
    assert not list(tmp_path.iterdir())


def test_weights_that_do_not_go_into_one_file_are_refused_at_once(fitted, tmp_path, monkeypatch):
    from polytask.deployment import formats

    small = replace(formats.FORMATS["onnx"], write=None, most_bytes=1000)
    monkeypatch.setitem(formats.FORMATS, "onnx", small)
    result = polytask("export", fitted.run, "--out", tmp_path / "model.onnx")
    assert_refused(result, "GiB of weights, and one file of format onnx holds", "use --format torch, or fewer")
    assert not list(tmp_path.iterdir())


def test_networks_that_cannot_be_written_are_one_message(fitted, tmp_path, monkeypatch):
    from polytask.deployment import formats

    def fail(*given):
        raise RuntimeError("\x1b[96mno such operator\nmore")

    monkeypatch.setitem(formats.FORMATS, "torch", formats.ExportFormat(lambda: None, fail, fail))
    result = polytask("export", fitted.run, "--format", "torch", "--out", tmp_path / "model.pt2")
    assert_refused(result, "cannot be written as torch: no such operator; nothing was written")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--format", "onx"], ["--format 'onx'", "onnx"]),
        (["--tasks", "prise,click"], ["'prise' is not a task", "did you mean 'price'"]),
    ],
)
def test_bad_input(fitted, tmp_path, options, parts):
    assert_refused(polytask("export", fitted.run, "--out", tmp_path / "model", *options), *parts)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_remedy(fitted, tmp_path, monkeypatch):
    from polytask import extras

    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "onnxscript" else True)
    result = polytask("export", fitted.run, "--out", tmp_path / "model.onnx")
    assert_refused(result, "needs onnxscript", "pip install 'polytask[onnx]'")


@pytest.mark.parametrize("name", ["onnxscript.optimizer", "onnx_ir.passes.common", "torch.onnx._internal.exporter"])
def test_exporters_are_silent_while_they_work(name):
    logger = logging.getLogger(name)
    with formats._quiet():
        assert not logger.isEnabledFor(logging.WARNING)
    assert logger.isEnabledFor(logging.WARNING)
