"""Named data sets: those of scikit-learn, and the real ones where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polytask.comparison.config import read_comparison
from polytask.comparison.datasets import DATASETS, with_dataset
from polytask.comparison.datasets.multimnist import make_table, overlaid
from polytask.comparison.setups import ready
from polytask.comparison.significance import reach
from polytask.config import make_config
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


@pytest.mark.realdata
def test_multimnist_reads_the_official_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYTASK_DATA", str(realdata("mnist").parent))
    from polytask.comparison.datasets.multimnist import FILES, read_idx

    raw = {name: read_idx(file.path()) for name, file in FILES.items()}
    assert raw["train-images-idx3-ubyte"].shape == (60_000, 28, 28)
    assert np.bincount(raw["t10k-labels-idx1-ubyte"]).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    table = make_table(raw, {"train": 30, "validation": 10, "test": 10})
    assert table.num_rows == 50 and table.num_columns == 18 * 18 + 3


def test_two_digits_lie_over_each_other() -> None:
    first, second = np.zeros((2, 1, 28, 28), np.float32)
    first[0, 0, 0], second[0, 27, 27] = 4, 8
    picture = overlaid(first, second)
    assert picture.shape == (1, 18, 18)
    assert picture[0, 0, 0] == 1 and picture[0, 17, 17] == 2 and picture.sum() == 3


@pytest.mark.parametrize("name", sorted(ready()))
def test_ready_comparisons_are_in_order(name: str) -> None:
    config, _ = read_comparison(ready()[name])
    for values in config.setup_values().values():
        dataset = values["dataset"]
        assert (dataset["name"] if isinstance(dataset, dict) else dataset) in DATASETS
    methods = len(config.methods) + sum(config.baselines.model_dump().values())
    tests = (methods - 1) * len(config.setup_values())
    if name not in ("celeba", "taskonomy"):  # days
        assert not list(reach(len(config.seeds), tests, config.model_dump()))
