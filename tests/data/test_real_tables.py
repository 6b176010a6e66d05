"""Real data from file to tensors, through the converters of ``benchmarks/datasets``."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from inferred import infer_tasks
from polytask.data import (
    Schema,
    check_split,
    encode_targets,
    find_leaks,
    make_split,
    read_table,
    split_from_column,
)
from realdata import realdata

CONVERTERS = Path(__file__).resolve().parents[2] / "benchmarks" / "datasets"
pytestmark = pytest.mark.realdata


def convert(script: str, *arguments: object) -> str:
    command = [sys.executable, str(CONVERTERS / script), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_census_income(tmp_path: Path) -> None:
    convert("census_income.py", realdata("census_income"), tmp_path / "census.csv")
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    table = read_table(tmp_path / "census.csv")
    targets = ["income", "never_married", "college", "weeks_worked"]
    tasks = infer_tasks(table, where="census", targets=targets)
    codes = split_from_column(table, "split", "census")
    schema = Schema.fit(table, tasks, where="census", split_column="split", train=codes == 0)
    inputs, labels = schema.encode_inputs(table), schema.encode_targets(table).numpy()
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6

    assert [task.kind for task in tasks] == ["binary"] * 3 + ["regression"]
    assert np.bincount(codes).tolist() == [79810, 9976, 9976]
    np.testing.assert_allclose(labels[:, :3].mean(0), [0.0620, 0.4325, 0.1472], atol=5e-5)
    assert labels[codes == 0, 3].mean() == pytest.approx(0, abs=1e-4)
    assert {key: value.shape for key, value in inputs.items()} == {"numeric": (99762, 11), "categorical": (99762, 26)}
    assert "hisp_origin" in schema.categorical_columns
    assert "NA" not in next(c.categories for c in schema.categorical if c.name == "hisp_origin")  # a missing mark
    assert check_split(codes, labels, schema.tasks) == []
    assert find_leaks(table, schema) == []
    assert seconds < 15 and grown < 1.0  # about 1.5 s and 0.3 GB on two cores


def test_tox21() -> None:
    table = read_table(realdata("tox21/tox21.csv"))
    tasks = infer_tasks(table, where="tox21", targets=table.column_names[1:])
    labels = encode_targets(table, tasks).numpy()
    assert {task.kind for task in tasks} == {"binary"}
    assert np.isnan(labels).mean() == pytest.approx(0.1705, abs=1e-4)
    codes = make_split(labels, ["binary"] * 12)
    rates = np.stack([np.nanmean(labels[codes == code], 0) for code in range(3)])
    assert np.abs(rates - np.nanmean(labels, 0)).max() < 0.002
    assert check_split(codes, labels, tasks) == []
    schema = Schema.fit(table, tasks, train=codes == 0)
    inputs = schema.encode_inputs(table)  # SMILES are molecules where RDKit is installed, else text
    assert [column.name for column in (*schema.text, *schema.molecules)] == ["smiles"]
    assert {len(leaf) for leaf in inputs.values()} == {7831}


@pytest.mark.parametrize(("name", "rows", "features", "targets"), [("rf1", 9125, 64, 8), ("scm20d", 8966, 61, 16)])
def test_time_ordered_regression(tmp_path: Path, name: str, rows: int, features: int, targets: int) -> None:
    said = convert("mulan.py", realdata(f"mtr/{name}.arff"), tmp_path / "t.csv", "--split", "0.7,0.15,0.15")
    table = read_table(tmp_path / "t.csv")
    names = said.splitlines()[-1].removeprefix("targets: ").split(",")
    codes = split_from_column(table, "split", name)
    assert table.num_rows == rows and (np.diff(codes) >= 0).all()
    tasks = infer_tasks(table, where=name, targets=names)
    schema = Schema.fit(table, tasks, split_column="split", train=codes == 0)
    assert len(schema.numeric) + len(schema.dropped) == features and len(tasks) == targets
    labels = schema.encode_targets(table).numpy()[codes == 0]
    np.testing.assert_allclose([labels.mean(0), labels.std(0)], [[0] * targets, [1] * targets], atol=1e-4)


def test_nominal_attributes(tmp_path: Path) -> None:
    said = convert("mulan.py", realdata("mtr/sf1.arff"), tmp_path / "t.csv")
    table = read_table(tmp_path / "t.csv")
    assert table.num_rows == 323 and said.endswith("targets: c-class,m-class,x-class\n")
    assert table["mod_zurich_class"].to_pylist()[:3] == ["C", "D", "C"]
