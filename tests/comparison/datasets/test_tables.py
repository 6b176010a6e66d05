"""Named data sets: those of scikit-learn, and the real ones where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from polytask.comparison.config import read_comparison
from polytask.comparison.datasets import DATASETS, with_dataset
from polytask.comparison.datasets.registry import BY_SCRIPT
from polytask.comparison.setups import ready
from polytask.comparison.significance import reach
from polytask.config import make_config
from polytask.errors import UserError
from polytask.runs.preparation.prepare import prepare
from realdata import realdata


@pytest.mark.parametrize("name", ["digits", "diabetes", "wine"])
def test_without_download(name: str, tmp_path: Path) -> None:
    data = prepare(make_config(with_dataset({"dataset": name}, tmp_path)))
    assert len(data.tasks) >= 3 and all(len(rows) > 20 for rows in data.rows.values())


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "folder", "tasks", "rows"),
    [
        ("census_income", "census_income", 4, (79_810, 9_976, 9_976)),
        ("tox21", "tox21", 12, (5_482, 1_175, 1_174)),
        ("enb", "mtr", 2, (538, 115, 115)),
        ("scm20d", "mtr", 16, (6_276, 1_345, 1_345)),
        ("five_texts", "text", 5, None),
        ("tmc2007", "multilabel", 22, (17_933, 3_586, 7_077)),
    ],
)
def test_real_sets(name: str, folder: str, tasks: int, rows: tuple[int, int, int] | None, tmp_path: Path,
                   monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("POLYTASK_DATA", str(realdata(folder).parent))
    data = prepare(make_config(with_dataset({"dataset": name}, tmp_path)))
    assert len(data.tasks) == tasks
    if rows is not None:
        assert tuple(len(found) for found in data.rows.values()) == pytest.approx(rows, abs=2)


@pytest.mark.parametrize("name", BY_SCRIPT)
def test_sets_that_a_script_makes_are_named(name: str, tmp_path: Path) -> None:
    assert (Path(__file__).parents[3] / "benchmarks" / "datasets" / f"{name}.py").exists()
    with pytest.raises(UserError, match=f"benchmarks/datasets/{name}.py"):
        with_dataset({"dataset": {"name": name, "size": 8}}, tmp_path)


@pytest.mark.parametrize("name", sorted(ready()))
def test_ready_comparisons_are_in_order(name: str) -> None:
    config, _ = read_comparison(ready()[name])
    for values in config.setup_values().values():
        dataset = values["dataset"]
        assert dataset in DATASETS
    methods = len(config.methods) + sum(config.baselines.model_dump().values())
    tests = (methods - 1) * len(config.setup_values())
    assert not list(reach(len(config.seeds), tests, config.model_dump()))
