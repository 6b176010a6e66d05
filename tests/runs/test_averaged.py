"""Tasks that several networks serve: the mean prediction, everywhere the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from torch import Tensor

from polytask.runs import served
from polytask.runs.averaged import Outputs
from polytask.runs.bundle import Bundle
from polytask.runs.keep import near_best, skill_estimate
from polytask.task import KINDS, Task
from polytask.uncertainty import Estimate
from small_table import fit, polytask, table_rows, write_table

TARGETS = ("click", "size", "price")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose tasks are all served by several networks."""
    folder = tmp_path_factory.mktemp("averaged")
    data = write_table(folder / "table.csv", table_rows(240))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served, "near_best", lambda plans: list(plans))
        patch.setattr(served, "surely_better", lambda now, others: None)
        result = fit(data, folder / "run", "--networks", "auto", "--ignore", "rank", "--set",
                     "calibration=off", targets=TARGETS)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "the mean prediction" in result.stderr and "--networks 1" in result.stderr
    return folder / "run"


def test_every_network_of_the_mean_is_kept_and_counted(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    bundle, totals = Bundle.load(run), results["totals"]
    assert totals["networks"] == len(bundle.networks) == len(totals["trainings"])
    assert totals["parameters"] == sum(p.numel() for model in bundle.networks for p in model.parameters())
    for name, entry in results["tasks"].items():
        assert tuple(entry["networks"]) == bundle.serves[name] and len(entry["networks"]) > 2
        assert entry["network"] == entry["networks"][0]
    report = (run / "report.html").read_text()
    assert (
        ", ".join(map(str, results["tasks"]["click"]["networks"])) in report and "if several do, their mean" in report
    )


def test_predictions_are_means_of_probabilities_and_values(run: Path, tmp_path: Path) -> None:
    bundle, data = Bundle.load(run), run.parent / "table.csv"
    table = pyarrow.csv.read_csv(data)
    inputs = bundle.inputs(table)
    found = bundle.predict(table)
    for task in bundle.schema.tasks:
        each = [
            task.definition.predict(bundle.outputs_of(number, inputs, table.num_rows)[task.name]).double()
            for number in bundle.serves[task.name]
        ]
        mean = torch.stack(each).mean(0)
        if task.kind == "regression":
            np.testing.assert_allclose(found[task.name], mean * task.scale + task.center, rtol=1e-5, atol=1e-5)
        elif task.kind == "binary":
            np.testing.assert_allclose(found[f"{task.name}_p_{task.classes[1]}"], mean, atol=1e-5)
        else:
            shares = np.stack([found[f"{task.name}_p_{label}"] for label in task.classes], 1)
            np.testing.assert_allclose(shares, mean, atol=1e-5)


def test_results_are_those_of_the_mean(run: Path) -> None:
    """`evaluate` on the test rows gives the metrics of `results.json`."""
    results = json.loads((run / "results.json").read_text())
    split = pyarrow.parquet.read_table(run / "split.parquet")
    table = pyarrow.csv.read_csv(run.parent / "table.csv")
    rows = np.flatnonzero(np.array([part == "test" for part in split["split"].to_pylist()]))
    part = run.parent / "test.csv"
    pyarrow.csv.write_csv(table.take(rows), part)
    found = json.loads(polytask("evaluate", run, part, "--json").stdout)["tasks"]
    for name, entry in results["tasks"].items():
        assert found[name]["value"] == pytest.approx(entry["test"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["torch", "onnx"])
def test_the_exported_file_holds_all_networks(run: Path, format: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime" if format == "onnx" else "torch")
    result = polytask("export", run, "--format", format, "--out", tmp_path / f"model.{format}")
    assert result.exit_code == 0, result.output


def test_tasks_are_added_to_such_a_run(run: Path, tmp_path: Path) -> None:
    rows = [{**row, "price": ""} for row in table_rows(200, seed=1)]
    data = write_table(tmp_path / "later.csv", rows, ["key", "a", "b", "c", "colour", "note", "click", "rank"])
    options = (
        "--from",
        run,
        "--targets",
        "rank",
        "--out",
        tmp_path / "more",
        "--steps",
        20,
        "--no-baselines",
        "--quiet",
    )
    result = polytask("fit", data, *options)
    assert result.exit_code == 0, result.output
    before, after = Bundle.load(run), Bundle.load(tmp_path / "more")
    assert set(after.serves) == {*TARGETS, "rank"} and len(after.serves["rank"]) == 1
    assert all(len(after.serves[name]) == len(before.serves[name]) for name in TARGETS)


def test_findings_of_the_doctor(run: Path) -> None:
    assert polytask("doctor", run).exit_code == 0


@pytest.mark.parametrize("networks", [1, 2])
def test_no_more_networks_than_asked_for(networks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "near_best", lambda plans: list(plans))
    monkeypatch.setattr(served, "surely_better", lambda now, others: None)
    data = write_table(tmp_path / "table.csv", table_rows())
    result = fit(data, tmp_path / "run", "--networks", networks, "--steps", 20, targets=TARGETS)
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["totals"]["networks"] <= networks
    assert all(len(entry["networks"]) == 1 for entry in results["tasks"].values())


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression", "multilabel"])
def test_the_mean_of_a_kind_is_in_the_space_of_its_predictions(kind: str) -> None:
    shape = (5, 3) if kind in ("multiclass", "multilabel") else (5,)
    first, second = (torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    definition = KINDS[kind]
    mean = (definition.predict(first) + definition.predict(second)) / 2
    torch.testing.assert_close(definition.mean_prediction([first, second]), mean)
    torch.testing.assert_close(definition.predict(definition.average([first, second])), mean, atol=1e-5, rtol=1e-4)


def test_plans_that_validation_cannot_distinguish_are_averaged_once_each() -> None:
    draw = torch.Generator().manual_seed(0)
    task, targets = Task("price", kind="regression"), torch.randn(200, generator=draw)

    def skill(noise: Tensor) -> dict[str, Estimate]:
        return {"price": skill_estimate(task, targets + noise, targets, torch.arange(200))}

    noise = 0.5 * torch.randn(200, generator=draw)
    good, other, bad = skill(noise), skill(-noise), skill(4 * noise)
    assert near_best({"one": good, "plain": good, "many": other, "bad": bad}) == ["one", "many"]
    assert near_best({"one": good, "bad": bad}) == ["one"]


def test_outputs_of_several_networks_rest_on_labelled_rows_alone() -> None:
    from polytask.data import Rows
    from polytask.models import MultiTaskModel

    tasks = [Task("a"), Task("b", kind="regression")]
    labels = {"a": torch.tensor([0.0, 1.0, float("nan"), 1.0]), "b": torch.tensor([1.0, 2.0, 3.0, 4.0])}
    rows = Rows.from_labels(torch.randn(4, 2), labels, tasks)
    models = {name: MultiTaskModel(torch.nn.Linear(2, 3), tasks) for name in "xy"}
    outputs, targets, ids = Outputs(rows, tasks, models).labelled("a", ["x", "y"])
    assert ids.tolist() == [0, 1, 3] and targets.tolist() == [0, 1, 1] and outputs.shape == (3,)
