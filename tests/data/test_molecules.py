"""Columns of molecules: known values, other writings of the same, what is no molecule, and a run from end to end."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from polytask.config import make_config
from polytask.data import Schema, molecules
from polytask.data.columns import coded
from polytask.data.features import fit_column, molecule_parts
from polytask.deployment.deployed import DeployedModel, deployed_inputs
from polytask.errors import UserError
from polytask.runs import Bundle
from polytask.runs.preparation.prepare import prepare
from polytask.runs.preparation.splitting import with_scaffolds
from polytask.task import Task
from small_table import assert_refused, polytask

RINGS = ("c1ccccc1", "C1CCCCC1", "c1ccncc1", "c1ccc2ccccc2c1", "C1CCNCC1", "c1ccoc1", "c1ccsc1", "C1CCOC1")
TAILS = ("C", "CC", "CCC", "CO", "CN", "CCO", "CCl", "CC(=O)O", "C#N", "C(F)(F)F")
needs_rdkit = pytest.mark.skipif(not molecules.is_available(), reason="the extra 'molecules' is not installed")


def table_of_molecules() -> pa.Table:
    """80 molecules with a target that is known from them and one that is not; one cell is no molecule."""
    smiles = [ring + tail for ring in RINGS for tail in TAILS]
    noise = np.random.default_rng(0).normal(size=len(smiles)).round(3)
    table = {"smiles": smiles, "aromatic": [int("c1" in one) for one in smiles], "noise": noise}
    table["smiles"][3] = "C1CC"  # a ring that is not closed
    return pa.table(table)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    pa.csv.write_csv(table_of_molecules(), tmp_path / "t.csv")
    return tmp_path / "t.csv"


@pytest.mark.parametrize(
    ("name", "cells", "found"),
    [
        ("SMILES", ["CCO", "c1ccccc1"], True),
        ("canonical_smiles", ["CC(=O)O", "C1CCCCC1"], True),
        ("mol", ["CC(=O)O"], True),
        ("city", ["Bonn", "CO", "NC"], False),
        ("code", ["C1", "N2", "O3"], False),
        ("structure", ["a short text", "another"], False),
        ("x", ["CC(=O)Oc1ccccc1C(=O)O"], True),
        ("smiles", [""], False),
    ],
)
def test_what_looks_like_smiles(name: str, cells: list[str], found: bool) -> None:
    assert molecules.look_like_smiles(coded(pa.chunked_array([cells])), name) == found


def test_without_rdkit(csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(molecules, "find_spec", lambda _: None)
    monkeypatch.setattr("polytask.extras.find_spec", lambda _: None)
    data = prepare(make_config({"data": str(csv), "targets": ["noise"], "features": ["smiles"]}))
    assert [column.name for column in data.schema.text] == ["smiles"]
    assert any("pip install 'polytask[molecules]'" in note for note in data.notes)
    for options in (["--set", "column_kind.smiles=smiles"], ["--split", "scaffold"]):
        result = polytask("fit", csv, "--targets", "noise", *options, "--out", tmp_path / "run")
        assert_refused(result, "needs rdkit", "pip install 'polytask[molecules]'")
    assert not (tmp_path / "run").exists()


@needs_rdkit
def test_known_values() -> None:
    parts = molecule_parts(coded(pa.chunked_array([["CCO", "OCC", None, "C1CC"]])))
    values = np.array([parts[name] for name in ("amw", "tpsa", "NumHBD", "NumHeavyAtoms")])
    assert values[:, 0] == pytest.approx([46.069, 20.23, 1, 3], abs=1e-3)
    assert np.array_equal(values[:, 0], values[:, 1]) and np.isnan(values[:, 2:]).all()
    counts = molecules.morgan_counts(pa.array(["CCO", "OCC", "C1CC", "CCC"])).dense().numpy()
    assert np.array_equal(counts[0], counts[1]) and not counts[2].any() and not np.array_equal(counts[0], counts[3])
    assert np.linalg.norm(counts[[0, 3]], axis=1) == pytest.approx(1)
    # Propane: two equal ends and a middle, each alone and with its neighbours.
    assert sorted(np.expm1(counts[3][counts[3] > 0] / counts[3].max() * np.log1p(2)).round(3)) == [1, 1, 2, 2]


@needs_rdkit
def test_scaffolds() -> None:
    cells = ["CCc1ccccc1", "Clc1ccccc1", "CCO", None, "C1CC", "CC1CCCCC1"]
    found = molecules.scaffolds(coded(pa.chunked_array([cells]))).to_pylist()
    assert found == ["c1ccccc1", "c1ccccc1", "acyclic", None, None, "C1CCCCC1"]


@needs_rdkit
def test_schema_is_stored_and_reads_the_same() -> None:
    table = table_of_molecules().append_column("note", pa.array(["some words, all alike"] * 40 + ["others"] * 40))
    schema = Schema.fit(table, [Task("aromatic")], column_kinds={"note": "text"}, ignore=["noise"])
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again == schema and [column.name for column in schema.molecules] == ["smiles"]
    inputs = again.encode_inputs(table)
    assert inputs["text"].width == schema.text_width == schema.text_settings.width + molecules.WIDTH
    assert inputs["numeric"].shape[1] == schema.numeric_width
    assert np.isfinite(inputs["numeric"].numpy()).all()
    assert not inputs["text"][slice(3, 4)].dense()[0, schema.text_settings.width :].any()


@needs_rdkit
def test_most_cells_are_no_molecules() -> None:
    with pytest.raises(UserError, match=r"cannot read 2 of 3 cells, such as 'C1C' \(row 1\)"):
        fit_column(pa.chunked_array([["C1C", "C(", "CC"]]), "a", np.ones(3, bool), "smiles")


@needs_rdkit
def test_scaffolds_are_in_one_part(csv: Path) -> None:
    asked = {"data": str(csv), "targets": ["aromatic", "noise"], "split": "scaffold"}
    data = prepare(make_config(asked))
    table = table_of_molecules()
    groups = np.array(molecules.scaffolds(coded(table["smiles"])).fill_null("?").to_pylist())
    assert max(len(set(data.split[groups == group])) for group in set(groups)) == 1
    assert set(data.split) == {0, 1, 2} and any("9 groups by 'scaffold'" in note for note in data.notes)
    assert any("1 of 80 cells are no molecules" in note and "row 4 (first 'C1CC')" in note for note in data.notes)
    several = table.append_column("mol", table["smiles"])
    for wrong, found in ((several, "found smiles, mol"), (table.drop(["smiles"]), "none looks like one")):
        with pytest.raises(UserError, match=found):
            with_scaffolds(make_config(asked), wrong, wrong.column, "t.csv")
    again = prepare(make_config(asked | {"column_kind": {"smiles": "text"}}))  # text stays text, split alike
    assert (again.split == data.split).all() and not again.schema.molecules and len(again.schema.text) == 1
    fold = prepare(make_config(asked | {"targets": ["noise"], "folds": 2, "fold": 0}))
    assert max(len(set(fold.split[groups == group])) for group in set(groups)) == 1


@needs_rdkit
def test_streamed_as_at_once(tmp_path: Path) -> None:
    pa.parquet.write_table(table_of_molecules(), path := tmp_path / "t.parquet", row_group_size=30)
    asked = {"data": str(path), "targets": ["aromatic", "noise"], "split": "scaffold"}
    at_once, streamed = (prepare(make_config(asked | {"stream": stream})) for stream in (False, True))
    assert (at_once.split == streamed.split).all() and at_once.schema == streamed.schema
    for part, rows in at_once.rows.items():  # molecules of one scaffold count as one
        assert rows.groups is not None and 1 <= len(rows.groups.unique()) < len(rows)
        assert torch.equal(rows.groups, streamed.rows[part].groups)
    rows = torch.tensor([0, 40, 3])
    one, other = (data.rows["train"].inputs["text"][rows].dense() for data in (at_once, streamed))
    assert torch.equal(one, other)


@needs_rdkit
def test_from_fit_to_the_deployed_model(csv: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fitted = polytask("fit", csv, "--targets", "aromatic,noise", "--features", "smiles", "--networks", "1",
                      "--no-baselines", "--steps", "60", "--set", "threads=1", "--out", run)  # fmt: skip
    assert fitted.exit_code == 0, fitted.output
    assert json.loads((run / "results.json").read_text())["tasks"]["aromatic"]["test"] > 0.9
    new = tmp_path / "new.csv"
    new.write_text('smiles\nCc1ccccc1\nC1CC\n""\n')
    predicted = polytask("predict", run, new, "--out", tmp_path / "p.parquet")
    assert predicted.exit_code == 0 and "row 2 (first 'C1CC')" in predicted.stderr
    table = pa.parquet.read_table(tmp_path / "p.parquet")
    assert table["aromatic"].to_pylist()[0] == "1" and table["noise"].null_count == 0
    missing = table["noise"].to_pylist()[1:]
    assert missing[0] == pytest.approx(missing[1], rel=1e-6)  # a product of matrices rounds each row in its own way
    bundle, rows = Bundle.load(run), table_of_molecules()
    model = DeployedModel(bundle, ["noise"]).eval()
    deployed = model(**deployed_inputs(bundle, rows))["noise"].detach().numpy()
    assert deployed == pytest.approx(bundle.predict(rows)["noise"].to_numpy(), abs=1e-4)


@needs_rdkit
def test_the_service_refuses_what_is_no_molecule() -> None:
    pydantic, rows = pytest.importorskip("pydantic"), pytest.importorskip("polytask.serving.rows")
    schema = Schema.fit(table_of_molecules(), [Task("aromatic")], ignore=["noise"])
    model = rows.row_model(rows.column_types(schema))
    assert model.model_validate({"smiles": "CCO"}).column_0 == "CCO" and model.model_validate({"smiles": None})
    with pytest.raises(pydantic.ValidationError, match="is not a molecule that RDKit can read"):
        model.model_validate({"smiles": "C1CC"})
