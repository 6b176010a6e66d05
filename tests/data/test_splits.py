"""Splits: sizes, strata, seeds, columns and files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from polytask.data import load_split, make_split, save_split, split_from_column
from polytask.errors import UserError

FRACTIONS = (0.7, 0.15, 0.15)


def sparse_labels(n: int = 2000, tasks: int = 5, seed: int = 0) -> np.ndarray:
    """Binary targets, 2 % to 30 % positive, 40 % missing."""
    generator = np.random.default_rng(seed)
    labels = (generator.random((n, tasks)) < np.linspace(0.02, 0.3, tasks)).astype(float)
    labels[generator.random((n, tasks)) < 0.4] = np.nan
    return labels


@pytest.mark.parametrize("n", [3, 10, 101, 2000])
@pytest.mark.parametrize("fractions", [FRACTIONS, (0.8, 0.1, 0.1), (0.34, 0.33, 0.33)])
def test_sizes_are_the_fractions(n: int, fractions: tuple[float, ...]) -> None:
    codes = make_split(sparse_labels(n), ["binary"] * 5, fractions)
    assert codes.dtype == np.int8
    counts = np.bincount(codes, minlength=3)
    assert counts.sum() == n and counts.min() >= 1
    if n > 3:
        assert np.abs(counts - n * np.array(fractions)).max() <= 1


def test_every_class_of_every_task_has_the_fractions() -> None:
    labels = sparse_labels()
    codes = make_split(labels, ["binary"] * 5)
    for column in labels.T:
        for value in (0, 1):
            counts = np.bincount(codes[column == value], minlength=3)
            assert np.abs(counts / counts.sum() - FRACTIONS).max() < 0.03


def test_rare_classes_are_in_every_part() -> None:
    labels = np.zeros((300, 2))
    labels[[5, 100, 200], 0] = 1
    labels[[7, 8, 9, 10], 1] = 2
    codes = make_split(labels, ["binary", "multiclass"])
    assert sorted(codes[labels[:, 0] == 1]) == [0, 1, 2]
    assert set(codes[labels[:, 1] == 2]) == {0, 1, 2}


def test_regression_by_quarters() -> None:
    values = np.random.default_rng(0).lognormal(size=(400, 1))
    codes = make_split(values, ["regression"])
    top = values[:, 0] > np.quantile(values, 0.75)
    assert np.bincount(codes[top]).tolist() == [70, 15, 15]


def test_random_without_labels() -> None:
    codes = make_split(np.full((100, 1), np.nan), ["binary"])
    assert np.bincount(codes).tolist() == [70, 15, 15]
    assert (np.diff(codes) != 0).sum() > 20  # not in the order of the rows


def test_seeds() -> None:
    labels = sparse_labels()
    kinds = ["binary"] * 5
    assert (make_split(labels, kinds, seed=1) == make_split(labels, kinds, seed=1)).all()
    assert (make_split(labels, kinds, seed=1) != make_split(labels, kinds, seed=2)).mean() > 0.2


@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.7, 0.2, 0.2), (1.0, 0.0, 0.0), (70, 15, 15)])
def test_bad_fractions(fractions: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="three fractions above 0 of sum 1"):
        make_split(np.zeros((10, 1)), ["binary"], fractions)


def test_too_few_rows() -> None:
    with pytest.raises(UserError, match="2 rows cannot be split"):
        make_split(np.zeros((2, 1)), ["binary"])


def test_split_from_column() -> None:
    table = pa.table({"split": ["train", "Valid", "test", " val", "dev", "validation"]})
    assert split_from_column(table, "split", "t").tolist() == [0, 1, 2, 1, 1, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "tst", "test"], r"expected train, .* found 'tst' \(row 2\)"),
        (["train", "", "test"], "1 empty cells, first in row 2"),
        (["train", "test", "test"], "no rows for validation; train and"),
        (["test", "test"], "no rows for train and validation"),
        ([0, 1, 2], "found '0'"),
    ],
)
def test_bad_split_column(words: list, message: str) -> None:
    with pytest.raises(UserError, match=message):
        split_from_column(pa.table({"split": words}), "split", "t")


def test_unknown_split_column() -> None:
    with pytest.raises(UserError, match="no split column 'splt'; did you mean 'split'"):
        split_from_column(pa.table({"split": ["train"]}), "splt", "t")


def test_saved_and_loaded(tmp_path: Path) -> None:
    codes = np.array([0, 2, 1, 0], np.int8)
    save_split(tmp_path / "a.parquet", codes)
    save_split(tmp_path / "b.parquet", codes, pa.array(["x", "y", "z", "w"]))
    again, ids = load_split(tmp_path / "a.parquet")
    assert again.tolist() == codes.tolist() and again.dtype == np.int8 and ids is None
    again, ids = load_split(tmp_path / "b.parquet")
    assert ids is not None and ids.to_pylist() == ["x", "y", "z", "w"]
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="not a saved split, or damaged"):
        load_split(tmp_path / "b.parquet")
    with pytest.raises(UserError, match="file not found"):
        load_split(tmp_path / "c.parquet")
