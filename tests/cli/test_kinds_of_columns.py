"""Dates, units, marks and far values on the whole way: fit, predict, export."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from polytask.cli.options import expand_targets
from polytask.errors import UserError
from polytask.runs import Bundle
from small_table import FAST, SMALL, Row, assert_refused, polytask, write_table

START = dt.datetime(2024, 1, 1, 6)


def made(rows: int = 90) -> list[Row]:
    draw = np.random.default_rng(0)
    days = [START + dt.timedelta(hours=7 * n) for n in range(rows)]
    x = draw.normal(size=rows)
    return [
        {
            "key": f"{n:04d}", "day": f"{days[n]:%d/%m/%Y %H:%M}", "cost": f"${1000 + 900 * x[n]:,.2f}",
            "colour": ("red ", "blue", "NA")[n % 3], "sold": ("yes", " no")[int(x[n] > 0)],
            "total": f"{1e7 + 1e6 * (x[n] + 0.1 * draw.normal()):.2f}",
            "size": "huge" if n == 5 else ("s", "m", "l")[n % 3],
        }
        for n in range(rows)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("columns")
    data = write_table(folder / "table.csv", made())
    options = ("--id", "key", "--networks", "1", "--no-baselines", *FAST, *SMALL)
    result = polytask("fit", data, "--targets", "sold,total", "--targets", "size", "--out", folder / "run", *options)
    assert result.exit_code == 0, result.output
    for part in ("dates (1;", "'cost': numbers with currency '$', thousands separators", "1 class with a single row"):
        assert part in result.stderr, part
    assert "sold: binary; no, yes;" in result.stderr
    return folder / "run"


def test_a_date_predicts_the_same_in_every_form(run: Path) -> None:
    rows = made(5)
    days = [dt.datetime.strptime(row["day"], "%d/%m/%Y %H:%M") for row in rows]
    seconds = [(day - dt.datetime(1970, 1, 1)).total_seconds() for day in days]
    table = pa.table({name: [row[name] for row in rows] for name in ("cost", "colour", "day")})
    bundle, found = Bundle.load(run), []
    for cells in (
        table["day"],
        pa.array(days, pa.timestamp("us")),
        pa.array(seconds),
        pa.array([f"{d}" for d in days]),
    ):
        found.append(bundle.predict(table.set_column(2, "day", cells)))
    assert all(other.equals(found[0]) for other in found)
    assert len(bundle.predict(table.slice(0, 0))) == 0
    assert bundle.predict(table.to_pandas()).equals(found[0])


def test_far_values_are_clipped_and_reported(run: Path, tmp_path: Path) -> None:
    rows = made(3)
    rows[0]["cost"] = "1e39"
    new = write_table(tmp_path / "new.csv", rows)
    result = polytask("predict", run, new, "--out", tmp_path / "p.parquet")
    assert result.exit_code == 0 and "'cost': 1 of 3 values are far outside" in result.stderr
    predicted = pyarrow.parquet.read_table(tmp_path / "p.parquet")
    assert predicted["key"].to_pylist() == ["0000", "0001", "0002"]
    assert np.isfinite(predicted["total"].to_numpy()).all()
    assert_refused(polytask("predict", run, new, "--out", new), "is the input table")
    assert_refused(polytask("predict", run, new, "--out", run / "split.parquet"), "is a file of the run")
    exported = polytask("export", run, "--format", "onnx", "--out", run / "networks" / "0" / "model.safetensors")
    assert_refused(exported, "is a file of the run")


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_the_exported_file_takes_dates_and_targets_in_millions(run: Path, tmp_path: Path, format: str) -> None:
    result = polytask("export", run, "--format", format, "--out", tmp_path / "model")
    assert result.exit_code == 0, result.output


def test_targets_by_pattern_and_with_commas(tmp_path: Path) -> None:
    data = write_table(tmp_path / "t.csv", [{"a, b": 1, "tox_1": 1, "tox_2": 1, "x": 1}])

    def targets(*given: str, **more: object) -> list[str]:
        values = {"data": str(data), "targets": list(given), **more}
        expand_targets(values)
        return list(values["targets"])

    assert targets("tox_*", "x") == ["tox_1", "tox_2", "x"]
    assert targets("a", "b", "x") == ["a, b", "x"]
    assert targets("ALL", features=["x"]) == ["a, b", "tox_1", "tox_2"]
    assert targets("absent") == ["absent"]
    for given, message in (("y*", "no column fits the pattern"), ("ALL", "give the features")):
        with pytest.raises(UserError, match=message):
            targets(given)
