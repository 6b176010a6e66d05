"""Tasks that a split leaves without labels."""

import numpy as np
import pytest

from polytask.data import check_split
from polytask.errors import UserError
from polytask.task import Task

NAN = float("nan")
CODES = np.array([0, 0, 0, 1, 1, 2, 2], np.int8)
GOOD = [0, 1, 1, 0, 1, 0, 1]


def check(labels: list[float], task: Task | None = None) -> list[str]:
    return check_split(CODES, np.array([labels], float).T, [task or Task("y")])


def test_good_split() -> None:
    assert check(GOOD) == []
    assert check(GOOD, Task("y", kind="regression")) == []
    assert check([0, 1, 2, 0, 1, 0, 1], Task("y", kind="multiclass", classes=("a", "b", "c"))) == []


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([NAN, NAN, NAN, 0, 1, 0, 1], "no label in the training rows"),
        ([0, 0, NAN, 0, 1, 0, 1], "only one label in the training rows"),
        ([0, 1, 1, NAN, NAN, 0, 1], "no task has a label in the validation rows, which all choices need; make"),
        ([0, 1, 1, 0, 0, 0, 1], r"roc_auc is not defined on the validation rows \(2 labelled, 1 distinct\)"),
    ],
)
def test_errors(labels: list[float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(labels)


def test_other_metrics_can_be_defined_on_one_class() -> None:
    assert check([0, 1, 1, 0, 0, 0, 1], Task("y", metric="accuracy")) == []
    with pytest.raises(UserError, match="r2 is not defined on the validation rows"):
        check([0, 1, 1, 5, 5, 0, 1], Task("y", kind="regression"))


def test_a_task_without_a_label_in_validation_is_left_to_the_others() -> None:
    labels = np.array([[0, 1, 1, NAN, NAN, 0, 1], GOOD]).T
    (warning,) = check_split(CODES, labels, [Task("a"), Task("b")])
    assert "'a' has no label in the validation rows" in warning


def test_a_single_row_of_a_class_is_trained_where_others_can_be_measured() -> None:
    labels = np.array([[1, 0, 0, 0, 0, 0, 0], GOOD]).T
    first, second = check_split(CODES, labels, [Task("a"), Task("b")])
    assert "'a': class '1' has a single row: it is trained" in first and "not defined on the test rows" in second
    with pytest.raises(UserError, match="no task can be measured on the validation rows"):
        check([1, 0, 0, 0, 0, 0, 0])


def test_warnings() -> None:
    assert "no label in the test rows" in check([0, 1, 1, 0, 1, NAN, NAN])[0]
    assert "not defined on the test rows" in check([0, 1, 1, 0, 1, 1, 1])[0]
    three = Task("y", kind="multiclass", classes=("a", "b", "c"))
    assert check([0, 1, 1, 0, 1, 0, 2], three) == ["split: task 'y': no training row of 'c': it cannot be learned"]


def test_all_problems_at_once() -> None:
    labels = np.array([[NAN, NAN, NAN, 0, 0, 0, 1], GOOD]).T
    with pytest.raises(UserError) as caught:
        check_split(CODES, labels, [Task("a"), Task("b")])
    assert len(caught.value.problems) == 2
