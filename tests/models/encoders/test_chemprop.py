"""``encoder: chemprop``: what it computes, and a run from end to end."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from polytask import MultiTaskModel, Rows, Task, TrainingSettings, fit
from polytask.data import Schema, read_table
from polytask.models.encoders import encoder_named
from polytask.models.sharing import SHARING
from polytask.runs import Bundle
from small_table import assert_refused, polytask
from small_training import Interrupt, assert_same_result

SPEC = {"name": "chemprop", "width": 8, "hidden": [8, 4]}
CELLS = ("CCO", "c1ccccc1", "C", "C1CC", None, "CC(=O)O")
TASKS = (Task("ring"), Task("weight", kind="regression"))
INSTALLED = all(map(find_spec, ("chemprop", "rdkit")))
needs_chemprop = pytest.mark.skipif(not INSTALLED, reason="the extra 'chemprop' is not installed")


def table(rows: int = 48) -> pa.Table:
    """Molecules beside a number; one of six is none, and one is missing."""
    smiles = [CELLS[row % len(CELLS)] for row in range(rows)]
    ring = [int("1" in (cell or "")) for cell in smiles]
    return pa.table({"smiles": smiles, "x": [row % 7 / 7 for row in range(rows)], "ring": ring,
                     "weight": [float(len(cell or "")) for cell in smiles]})  # fmt: skip


def made(spec: object = SPEC, **changes: object) -> tuple[Schema, MultiTaskModel]:
    encoder = encoder_named({**SPEC, **changes} if changes else spec)  # type: ignore[arg-type]
    kinds = {"smiles": "smiles"}
    schema = Schema.fit(table(), TASKS, column_kinds=kinds, **encoder.schema_options())
    torch.manual_seed(0)
    return schema, MultiTaskModel(encoder.build(schema), schema.tasks)


@pytest.mark.skipif(INSTALLED, reason="chemprop is installed")
def test_without_the_package_nothing_begins(tmp_path: Path) -> None:
    pa.parquet.write_table(table(), tmp_path / "t.parquet")
    result = polytask("fit", tmp_path / "t.parquet", "--targets", "ring", "--encoder", "chemprop", "--out",
                      tmp_path / "run")  # fmt: skip
    assert_refused(result, "encoder 'chemprop' needs chemprop", "pip install 'polytask[chemprop]'")
    assert not (tmp_path / "run").exists()


@needs_chemprop
@pytest.mark.parametrize("pooling", ["mean", "sum", "norm"])
def test_a_molecule_does_not_see_the_others(pooling: str) -> None:
    schema, model = made(pooling=pooling)
    inputs = schema.encode_inputs(table(12))
    outputs = model.eval()(inputs)["weight"]
    for rows in ([5, 0, 2], [3, 4], [4]):  # the last have no atoms
        part = {name: leaf[torch.tensor(rows)] for name, leaf in inputs.items()}
        torch.testing.assert_close(model(part)["weight"], outputs[rows], rtol=1e-5, atol=1e-6)
    outputs.sum().backward()
    encoder = list(model.encoder.parameters())
    assert all(parameter.grad is not None for parameter in encoder)


@needs_chemprop
def test_the_order_of_atoms_does_not_matter_and_graphs_do() -> None:
    schema, model = made()
    model.eval()
    one, same, other = (
        {"smiles": [cell], "x": [0.0]} for cell in ("CC(=O)Oc1ccccc1C(=O)O", "O=C(O)c1ccccc1OC(C)=O", "c1ccccc1O")
    )
    first, second, third = (schema.encode_inputs(pa.table(cells)) for cells in (one, same, other))
    torch.testing.assert_close(model(first), model(second), rtol=1e-5, atol=1e-6)
    changed = model({**first, "graphs": third["graphs"]})["weight"]
    assert not torch.allclose(changed, model(first)["weight"])


@needs_chemprop
def test_two_columns_of_molecules_stand_side_by_side() -> None:
    both = table().append_column("solvent", pa.array(["CCO", "C"] * 24))
    encoder = encoder_named(SPEC)
    kinds = {"smiles": "smiles", "solvent": "smiles"}
    schema = Schema.fit(both, TASKS, column_kinds=kinds, **encoder.schema_options())
    model = MultiTaskModel(encoder.build(schema), schema.tasks).eval()
    inputs = schema.encode_inputs(both)
    rows = [{name: leaf[torch.tensor([row])] for name, leaf in inputs.items()} for row in (0, 1)]
    swapped = {**rows[0], "graphs": rows[1]["graphs"]}
    assert not torch.allclose(model(swapped)["ring"], model(rows[0])["ring"])


@needs_chemprop
@pytest.mark.parametrize("sharing", SHARING)
def test_every_way_of_sharing_fits_it(sharing: str) -> None:
    schema, model = made()
    model = MultiTaskModel(model.encoder, schema.tasks, sharing=sharing)
    assert model(schema.encode_inputs(table(6)))["ring"].shape == (6,)


@needs_chemprop
def test_a_resumed_training_is_the_same(tmp_path: Path) -> None:
    def train(stop: int | None = None, folder: Path | None = None) -> object:
        schema, model = made()
        rows = Rows.from_matrix(schema.encode_inputs(table()), schema.encode_targets(table()))
        settings = TrainingSettings(steps=12, batch_size=16, checkpoint_seconds=0.0, evaluate_every=6)
        return fit(model, train=rows, validation=rows, callbacks=[Interrupt(stop)], settings=settings, folder=folder)

    with pytest.raises(KeyboardInterrupt):
        train(8, tmp_path)
    assert_same_result(train(), train(folder=tmp_path), callbacks=False)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chemprop")
    pa.parquet.write_table(table(), folder / "t.parquet", row_group_size=20)
    assert_fitted(folder, "run")
    return folder


def assert_fitted(folder: Path, name: str, *options: object) -> None:
    result = polytask("fit", folder / "t.parquet", "--targets", "ring,weight", "--networks", "1", "--steps", "30",
                      "--set", "training.threads=1", "--set", f"model.encoder={json.dumps(SPEC)}",
                      "--set", "data.column_kind.smiles=smiles", "--out", folder / name, *options)  # fmt: skip
    assert result.exit_code == 0, result.output


@needs_chemprop
def test_predict_evaluate_and_serve_agree(run: Path) -> None:
    bundle, rows = Bundle.load(run / "run"), table(6)
    expected = bundle.predict(rows)["weight"].to_pylist()
    predicted = polytask("predict", run / "run", run / "t.parquet", "--out", run / "p.csv")
    assert predicted.exit_code == 0 and "are no molecules" in predicted.stderr
    with (run / "p.csv").open() as stream:
        assert [float(row["weight"]) for row in csv.DictReader(stream)][:6] == pytest.approx(expected, abs=1e-4)
    assert polytask("evaluate", run / "run", run / "t.parquet").exit_code == 0
    testclient = pytest.importorskip("starlette.testclient")
    from polytask.serving import make_application

    with testclient.TestClient(make_application(run / "run")) as client:
        good = [
            {"smiles": cell, "x": x} for cell, x in zip(CELLS, rows["x"].to_pylist(), strict=True) if cell != "C1CC"
        ]
        answer = client.post("/predict", json={"rows": good}).json()["predictions"]
        assert client.post("/predict", json={"rows": [{"smiles": "C1CC", "x": 0.0}]}).status_code == 422
    kept = [value for value, cell in zip(expected, CELLS, strict=True) if cell != "C1CC"]
    assert [row["weight"] for row in answer] == pytest.approx(kept, abs=1e-4)


@needs_chemprop
def test_it_is_recorded_and_stands_beside_linear_models(run: Path) -> None:
    network = json.loads((run / "run" / "networks" / "0" / "network.json").read_text())
    assert network["encoder"]["name"] == "chemprop" and network["encoder"]["depth"] == 3
    results = json.loads((run / "run" / "results.json").read_text())
    assert set(results["baselines"]["linear"]) == {"ring", "weight"}


@needs_chemprop
def test_no_file_is_exported(run: Path) -> None:
    result = polytask("export", run / "run", "--format", "torch", "--out", run / "model.pt2")
    assert_refused(result, "read molecules as graphs (encoder chemprop)", "`polytask predict`")
    assert not (run / "model.pt2").exists()


@needs_chemprop
def test_a_streamed_table_gives_the_same_inputs_and_trains(run: Path) -> None:
    assert_fitted(run, "streamed", "--set", "data.stream=true", "--no-baselines")
    streamed = Bundle.load(run / "streamed").schema
    assert streamed.graphs and len(streamed.encode_inputs(read_table(run / "t.parquet"))["graphs"]) == 48


@needs_chemprop
def test_a_task_is_added(run: Path) -> None:
    more = table().append_column("extra", pa.array([float(row % 5) for row in range(48)]))
    pa.parquet.write_table(more, run / "more.parquet")
    result = polytask("fit", run / "more.parquet", "--from", run / "run", "--targets", "extra", "--steps", "20",
                      "--out", run / "added")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert Bundle.load(run / "added").predict(table(3))["extra"].null_count == 0


@needs_chemprop
def test_without_molecules_it_is_refused_before_any_work(run: Path, tmp_path: Path) -> None:
    result = polytask("fit", run / "t.parquet", "--targets", "ring", "--features", "x", "--encoder", "chemprop",
                      "--out", tmp_path / "run")  # fmt: skip
    assert_refused(result, "chemprop reads columns of molecules", "column_kind: {COLUMN: smiles}")
    assert not (tmp_path / "run").exists()
