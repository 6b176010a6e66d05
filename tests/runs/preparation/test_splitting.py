"""Splits of whole tables: by groups, by time, from files, streamed or at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from polytask.config import Config, make_config
from polytask.errors import UserError
from polytask.records.folder import RunFolder
from polytask.runs.preparation.prepare import prepare

ROWS = 120


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(ROWS, 2)).round(3)
    return pd.DataFrame({
        "key": [f"r{number // 2}" for number in range(ROWS)],
        "a": x[:, 0],
        "b": x[:, 1],
        "patient": [f"p{number}" for number in draw.integers(0, 20, ROWS)],
        "when": pd.date_range("2024-01-30", periods=ROWS, freq="D")[draw.permutation(ROWS)].strftime("%d.%m.%Y"),
        "ill": (x[:, 0] > 0).astype(int),
        "cost": np.abs(x[:, 1]),
    })  # fmt: skip


@pytest.fixture(scope="module")
def folder(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables")
    frame.to_csv(path / "t.csv", index=False)
    frame.to_parquet(path / "t.parquet", row_group_size=50)
    frame[:80].to_csv(path / "train.csv", index=False)
    frame[80:100].to_csv(path / "validation.csv", index=False)
    frame[100:].drop(columns="cost").to_parquet(path / "test.parquet")
    return path


def config(folder: Path, name: str = "t.csv", **keys: Any) -> Config:
    held = {part: str(folder / keys.pop(part)) for part in ("validation", "test") if part in keys}
    return make_config({"data": str(folder / name), "targets": ["ill", "cost"], "id": "key", **held, **keys})


@pytest.mark.parametrize("keys", [{"group": "patient", "ignore": ["when"]}, {"time": "when", "ignore": ["patient"]}])
def test_streamed_as_at_once(folder: Path, keys: dict[str, Any]) -> None:
    at_once = prepare(config(folder, **keys))
    streamed = prepare(config(folder, "t.parquet", stream=True, **keys))
    assert (at_once.split == streamed.split).all()
    assert at_once.schema.feature_names == streamed.schema.feature_names == ["a", "b"]


def test_groups_stay_whole(folder: Path, frame: pd.DataFrame) -> None:
    data = prepare(config(folder, group="patient", ignore=["when"]))
    assert frame.assign(part=data.split).groupby("patient").part.nunique().max() == 1
    assert any("20 groups by 'patient', each in one split" in note for note in data.notes)


def test_time_goes_forward(folder: Path, frame: pd.DataFrame) -> None:
    data = prepare(config(folder, time="when", ignore=["patient"]))
    when = pd.to_datetime(frame["when"], format="%d.%m.%Y")
    assert when[data.split == 0].max() < when[data.split == 1].min()
    assert when[data.split == 1].max() < when[data.split == 2].min()
    kept = prepare(config(folder, time="when", features=["a", "when"]))
    assert kept.schema.feature_names == ["a", "when"] and (kept.split == data.split).all()


def test_the_row_id_may_be_the_group_and_repeated_ids_are_noted(folder: Path) -> None:
    data = prepare(config(folder, group="key", ignore=["when", "patient"]))
    assert (data.split[::2] == data.split[1::2]).all()
    assert any("60 ids appear more than once" in note for note in data.notes)


def test_rows_in_files_of_their_own(folder: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    asked = config(folder, "train.csv", validation="validation.csv", test="test.parquet", ignore=["when", "patient"])
    data = prepare(asked)
    assert [len(rows) for rows in data.rows.values()] == [80, 20, 20]
    assert data.split.tolist() == [0] * 80 + [1] * 20 + [2] * 20
    assert data.ids is not None and data.ids.to_pylist() == frame["key"].tolist()
    task = data.tasks[1]
    labels = data.rows["validation"].targets[:, 1].double() * task.scale + task.center
    assert np.allclose(labels, frame["cost"][80:100], atol=1e-6)
    assert task.center == pytest.approx(frame["cost"][:80].mean())  # of the training table alone
    assert any("test.parquet: without the targets cost" in note for note in data.notes)
    assert any("'cost' has no label in the test rows" in warning for warning in data.warnings)
    RunFolder.create(tmp_path / "run", asked, data, {})
    assert (prepare(asked, tmp_path / "run" / "split.parquet").split == data.split).all()


def test_only_test_is_a_file(folder: Path) -> None:
    data = prepare(config(folder, "train.csv", test="test.parquet", ignore=["when", "patient"]))
    assert [len(rows) for rows in data.rows.values()] == [66, 14, 20]


def test_types_are_those_of_the_training_table(folder: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    held = frame[80:].astype({"a": str}).assign(a=lambda held: held["a"] + " kg")
    held.to_csv(tmp_path / "odd.csv", index=False)
    data = prepare(config(folder, "train.csv", test=str(tmp_path / "odd.csv"), ignore=["when", "patient"]))
    column = data.schema.numeric[0]
    found = data.rows["test"].inputs["numeric"][:, 0].double() * column.scale + column.center
    assert np.allclose(found, frame["a"][80:], atol=1e-5)


def test_rows_on_both_sides_are_counted(folder: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame[:5].to_csv(tmp_path / "again.csv", index=False)
    keys = {"ignore": ["when", "patient"], "validation": "validation.csv"}
    data = prepare(config(folder, "train.csv", test=str(tmp_path / "again.csv"), **keys))
    assert any("5 of 5 test rows have the features of a training row" in warning for warning in data.warnings)
    assert not any("validation rows have the features" in warning for warning in data.warnings)


REFUSED = {
    "group and time": ({"group": "patient", "time": "when"}, "both cannot hold"),
    "group beside a split column": ({"group": "patient", "split": "when"}, "group: has no effect with split: when"),
    "file beside a split column": ({"test": "test.parquet", "split": "when"}, "test: has no effect with split: when"),
    "shares of nothing": (
        {"validation": "validation.csv", "test": "test.parquet", "split": [0.5, 0.2, 0.3]},
        "split: has no effect where validation and test are files",
    ),
    "a file beside a stream": ({"test": "test.parquet", "stream": True}, "put the rows into it"),
    "no such group": ({"group": "pattient"}, "no column 'pattient' .group.; did you mean 'patient'"),
    "a target as group": ({"group": "ill"}, "'ill' is listed as target and as group"),
    "a feature as group": ({"group": "patient", "features": ["a", "patient"]}, "as feature and as group"),
    "no date": ({"time": "patient"}, "expected dates, found 'p"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(folder: Path, what: str) -> None:
    keys, message = REFUSED[what]
    with pytest.raises(UserError, match=message):
        prepare(config(folder, **keys))


@pytest.mark.parametrize("missing", ["a", "targets"])
def test_a_file_without_columns_is_refused(folder: Path, frame: pd.DataFrame, tmp_path: Path, missing: str) -> None:
    without = frame.drop(columns=["ill", "cost"] if missing == "targets" else missing)
    without.to_csv(tmp_path / "short.csv", index=False)
    message = "none of the targets is a column" if missing == "targets" else "column 'a' is missing"
    with pytest.raises(UserError, match=f"test: .*short.csv: {message}"):
        prepare(config(folder, "train.csv", test=str(tmp_path / "short.csv"), ignore=["when", "patient"]))


@pytest.mark.parametrize("keys", [{}, {"group": "patient"}, {"split": [0.5, 0.25, 0.25]}])
def test_folds_partition_the_rows(folder: Path, frame: pd.DataFrame, keys: dict[str, Any]) -> None:
    ignore = ["when"] if "group" in keys else ["when", "patient"]
    splits = [prepare(config(folder, folds=4, fold=fold, ignore=ignore, **keys)).split for fold in range(4)]
    tested = np.stack([split == 2 for split in splits])
    assert (tested.sum(0) == 1).all() and tested.sum(1).min() >= ROWS // 8
    if "group" in keys:
        for split in splits:
            assert frame.assign(part=split).groupby("patient").part.nunique().max() == 1
    whole = prepare(config(folder, folds=4, ignore=ignore, **keys))
    assert not (whole.split == 2).any() and (whole.split == 1).any()
    assert not any("test rows" in warning for warning in whole.warnings)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"fold": 1}, "fold: has an effect only with folds"),
        ({"folds": 3, "fold": 3}, "there is no fold 3"),
        ({"folds": 3, "time": "when"}, "including the earliest"),
        ({"folds": 3, "test": "test.parquet"}, "leave test out"),
        ({"folds": 3, "split": "when"}, "the split of every row"),
        ({"folds": 60}, "120 rows are too few for 60 folds; give at most 40"),
        ({"folds": 30, "group": "patient"}, "20 groups cannot be in 30 parts"),
    ],
)
def test_folds_refused(folder: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(config(folder, **keys))
