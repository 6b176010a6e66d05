"""Target columns as numbers."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from polytask.data import Rows, encode_targets
from polytask.data.targets import standardise_tasks
from polytask.errors import UserError
from polytask.task import Task

NAN = float("nan")
TOPIC = Task("topic", kind="multiclass", classes=("arts", "news", "sport"))


def test_classes_and_numbers() -> None:
    table = pa.table({"topic": ["news", "", "sport", None], "click": [1, 0, -100, None], "price": [1.0, 2.0, NAN, 4.0]})
    tasks = [TOPIC, Task("click"), Task("price", kind="regression", center=2.0, scale=0.5)]
    matrix = encode_targets(table, tasks)
    expected = [[1, 1, -2], [NAN, 0, 0], [2, NAN, NAN], [NAN, NAN, 4]]
    np.testing.assert_array_equal(matrix.numpy(), np.array(expected, np.float32))
    assert matrix.dtype == torch.float32
    assert Rows.from_matrix(torch.zeros(4, 1), matrix).label_counts().tolist() == [2, 2, 3]


def test_labels_match_across_types() -> None:
    task = Task("y", classes=("0", "1"))
    for values in ([0, 1, None], [0.0, 1.0, NAN], ["0", "1", ""]):
        np.testing.assert_array_equal(encode_targets(pa.table({"y": values}), [task]).numpy()[:, 0], [0, 1, NAN])


def test_minus_hundred_is_a_number_in_regression() -> None:
    task = Task("y", kind="regression")
    assert encode_targets(pa.table({"y": [-100, 2]}), [task]).flatten().tolist() == [-100, 2]


def test_unknown_class_is_named() -> None:
    with pytest.raises(UserError, match=r"t.csv: target 'topic': 'sprot' \(row 2\) is not one of its classes"):
        encode_targets(pa.table({"topic": ["news", "sprot"]}), [TOPIC], where="t.csv")


def test_missing_target_columns() -> None:
    table = pa.table({"topics": ["news"]})
    with pytest.raises(UserError, match="target column 'topic' is missing; did you mean 'topics'"):
        encode_targets(table, [TOPIC])
    assert torch.isnan(encode_targets(table, [TOPIC], partial=True)).all()


def test_statistics_of_training_labels_only() -> None:
    table = pa.table({"price": [1.0, 3.0, NAN, 500.0]})
    train = np.array([True, True, True, False])
    (task,) = standardise_tasks(table, [Task("price", kind="regression", weight=2.0)], train, "t")
    assert (task.center, task.scale, task.weight) == (2.0, 1.0, 2.0)


def test_no_training_label_is_an_error() -> None:
    with pytest.raises(UserError, match="no label in the training rows"):
        standardise_tasks(pa.table({"y": [NAN, 3.0]}), [Task("y", kind="regression")], np.array([True, False]), "t")


def test_numbers_that_single_precision_cannot_hold_are_named() -> None:
    table = pa.table({"y": [0.0, 1.0, 1e300]})
    (task,) = standardise_tasks(table, [Task("y", kind="regression")], np.array([True, True, False]), "t")
    with pytest.raises(UserError, match="row 3 is too far from the mean of the training rows"):
        encode_targets(table, [task])
    with pytest.raises(UserError, match=r"numbers up to 1e.300 cannot be computed; give them in another unit"):
        standardise_tasks(table, [Task("y", kind="regression")], None, "t")
    with pytest.raises(UserError, match=r"1e.300 in row 3 is too large to compute with"):
        encode_targets(table, [Task("y", kind="regression")], precise=True)  # not standardised yet: there is no mean
    tiny = pa.table({"y": [1e-300, 3e-300]})
    with pytest.raises(UserError, match=r"numbers up to 3e-300 cannot be computed; give them in another unit"):
        standardise_tasks(tiny, [Task("y", kind="regression")], None, "t")
