"""An exported file gives what ``predict`` does: values, calibrated probabilities, classes, intervals and sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import polytask as pt
from polytask.deployment import FORMATS, DeployedModel, deployed_inputs, description
from polytask.deployment.export import _difference
from polytask.errors import UserError
from polytask.runs import Bundle
from polytask.task import Task
from polytask.task.kind import cells

KINDS = {"stars": "ordinal", "visits": "count", "delay": "quantile", "colours": "multilabel"}


def make(rows: int, seed: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    x, noise = draw.normal(size=(rows, 3)), draw.normal(size=(rows, 3))
    colours = cells(torch.from_numpy(x + noise > 0), ("blue", "red", "green"))
    return {
        "a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "click": np.where(x[:, 0] + noise[:, 0] > 1.2, "yes", "no"),
        "topic": np.array(["news", "sport", "arts"])[np.argmax(x + noise, 1)],
        "price": np.exp(x[:, 0] + 0.3 * noise[:, 1]), "delay": x[:, 1] + noise[:, 1],
        "stars": np.clip(np.round(3 + x[:, 2] + noise[:, 2]), 1, 5).astype(int),
        "visits": draw.poisson(np.exp(x[:, 1])), "colours": np.array(colours),
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all kinds of tables, an interval, a moved threshold and a temperature."""
    folder = tmp_path_factory.mktemp("outputs") / "run"
    predictor = pt.TablePredictor(
        ["click", "topic", "price", "delay", "stars", "visits", "colours"], kind=KINDS, transform={"price": "log"},
        threshold={"click": 0.3}, interval=0.8, networks=1, steps=60, baselines=False,
    )  # fmt: skip
    predictor.fit(make(500, 0), out=folder)
    (folder / "calibration.json").write_text(json.dumps({n: {"temperature": 2.0} for n in ("topic", "stars")}))
    return folder


def as_columns(outputs: dict[str, np.ndarray], task: Task) -> dict[str, object]:
    """The columns of ``predict`` for a task, from an exported file's outputs."""
    found: dict[str, object] = {}
    if task.classes:
        label = outputs[f"{task.name}_label"]
        found[task.name] = cells(torch.tensor(label > 0), task.classes) if label.ndim == 2 else [
            task.classes[place] for place in label]  # fmt: skip
        found |= {f"{task.name}_p_{one}": outputs[task.name][:, k] for k, one in enumerate(task.classes)}
    elif outputs[task.name].ndim == 2:
        names = task.definition.column_names(task)
        found |= {names[0]: outputs[task.name][:, 2]} | dict(zip(names[1:], outputs[task.name].T, strict=True))
    else:
        found[task.name] = outputs[task.name]
    for name in task.definition.interval_names(task):
        found[name] = cells(torch.tensor(outputs[name]), task.classes) if task.classes else outputs[name]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("format", "level"), [("onnx", None), ("torch", 0.9999)])
def test_outputs_are_the_columns_of_predictions(run: Path, tmp_path: Path, format: str, level: float | None) -> None:
    """Ends are infinite and sets full at the larger level."""
    bundle, table = Bundle.load(run), pa.table(make(200, 1))
    file = pt.load(run).export(tmp_path / "model", format=format, interval=level)
    outputs = FORMATS[format].read(file)(deployed_inputs(bundle, table))
    expected = bundle.predict(table, interval=level)
    found = {}
    for task in bundle.schema.tasks:
        found |= as_columns({name: np.asarray(value) for name, value in outputs.items()}, task)
    assert sorted(found) == sorted(expected.column_names)
    assert outputs["topic_label"].dtype == np.int64 and outputs["colours_set"].dtype == bool
    for name, values in found.items():
        if expected[name].type == pa.string():
            assert np.mean(np.array(values) == np.array(expected[name].to_pylist())) >= 0.99, name
        else:
            np.testing.assert_allclose(values, expected[name].to_numpy(), rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("transform", ["none", "log", "quantile"])
def test_tiny_numbers_are_exported(tmp_path: Path, transform: str) -> None:
    """The optimiser of ONNX takes what is added for 0 where it is small, whatever it is added to."""
    table = make(200, 0)
    table |= {name: 1e-9 * table[name] for name in ("a", "price", "delay")}
    options = {"kind": {"delay": "quantile"}, "transform": {"price": transform}, "steps": 40, "baselines": False}
    predictor = pt.TablePredictor(["price", "delay"], networks=1, **options).fit(table, out=tmp_path / "run")
    bundle, table = Bundle.load(tmp_path / "run"), pa.table(table)
    found = FORMATS["onnx"].read(predictor.export(tmp_path / "model"))(deployed_inputs(bundle, table))
    expected = bundle.predict(table)
    assert expected["price"].to_numpy().max() < 1e-6
    np.testing.assert_allclose(found["price"], expected["price"].to_numpy(), rtol=1e-4, atol=1e-14)
    np.testing.assert_allclose(np.asarray(found["delay"])[:, 2], expected["delay"].to_numpy(), rtol=1e-4, atol=1e-14)


@pytest.mark.parametrize(("transform", "parameters"), [("", ()), ("log", (2e-9,))])
def test_a_file_that_predicts_half_of_tiny_numbers_is_found_out(transform: str, parameters: tuple[float, ...]) -> None:
    scale = 1.0 if transform else 1e-9
    task = Task("price", kind="regression", transform=transform, parameters=parameters, scale=scale)
    expected = 1e-9 * np.arange(1.0, 9.0)
    assert _difference(task, "price", expected, expected) == 0
    assert _difference(task, "price", expected, expected / 2) > 0.1
    assert _difference(task, "price", expected, np.full(8, np.nan)) == np.inf
    ends = np.array([np.inf, -np.inf])
    assert _difference(task, "price", ends, ends) == 0 and _difference(task, "price", ends, -ends) == np.inf


def test_the_description_names_the_outputs_of_every_target(run: Path) -> None:
    bundle = Bundle.load(run)
    outputs = description(DeployedModel(bundle, ["click", "price"], 0.5), bundle)["outputs"]
    assert outputs["click"]["label"] == "click_label" and "label" not in outputs["price"]
    assert outputs["click"]["interval"] == {"level": 0.5, "outputs": ["click_set"]}
    assert outputs["price"]["interval"] == {"level": 0.5, "outputs": ["price_low", "price_high"]}


def test_outputs_of_one_name_and_wrong_levels_are_refused(tmp_path: Path) -> None:
    table = make(120, 0)
    table["click_label"] = table["price"]
    settings = {"networks": 1, "steps": 5, "baselines": False}
    predictor = pt.TablePredictor(["click", "click_label"], **settings).fit(table)
    with pytest.raises(UserError, match="two outputs would be called 'click_label'"):
        predictor.export(tmp_path / "model.onnx")
    with pytest.raises(UserError, match="interval: expected a share"):
        predictor.export(tmp_path / "model.onnx", tasks=["click"], interval=90)
    assert not list(tmp_path.iterdir())


def test_a_target_named_as_an_input_is_refused_in_onnx_only(tmp_path: Path) -> None:
    table = make(120, 0)
    table["numeric"] = table.pop("price")
    predictor = pt.TablePredictor(["numeric"], networks=1, steps=5, baselines=False).fit(table)
    with pytest.raises(UserError, match="'numeric' is the name of an input of the file and of a target"):
        predictor.export(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    predictor.export(tmp_path / "model.pt2", format="torch")
