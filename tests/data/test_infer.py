"""Kinds of target columns."""

from typing import Any

import pyarrow as pa
import pytest

from inferred import infer_tasks
from polytask.data import infer_targets
from polytask.errors import UserError
from polytask.task import Task

NAN = float("nan")


def infer(values: list | pa.Array, **options: Any) -> Task:
    stated = {f"{name}s": {"y": value} for name, value in options.items()}
    return infer_tasks(pa.table({"y": values}), where="t.csv", targets=["y"], **stated)[0]


@pytest.mark.parametrize(
    ("values", "kind", "classes"),
    [
        ([0, 1, 1, 0], "binary", ("0", "1")),
        ([0.0, 1.0, None, 1.0, 0.0], "binary", ("0", "1")),
        (["001", "136A", "002", "001", "136A", "002"], "multiclass", ("001", "002", "136A")),
        ([-1, 1, 1, -1], "binary", ("-1", "1")),
        ([0, 1, -100, 1, 0], "binary", ("0", "1")),
        ([True, False, True, False], "binary", ("false", "true")),
        (["yes", "no", "", "yes", "no"], "binary", ("no", "yes")),
        (["Absent", "active", "Absent", "active"], "binary", ("Absent", "active")),
        (["active", "Absent", "Absent", "active"], "binary", ("Absent", "active")),
        (["a", "inactive", "inactive", "a"], "binary", ("inactive", "a")),
        (["b", "a", "b", "a", "c", "c"], "multiclass", ("a", "b", "c")),
        ([0, 1, 2, 2, 1, 0], "multiclass", ("0", "1", "2")),
        ([3.0, 1.0, 2.0, 2.0, 1.0, 3.0], "multiclass", ("1", "2", "3")),
        ([0, 1, 3, 5, 0, 1], "regression", ()),
        ([2, 3, 4, 2, 3, 4], "regression", ()),
        (list(range(21)) * 2, "regression", ()),
        ([0.5, 1.5, 2.5], "regression", ()),
        ([-100, 3, 7, 9], "regression", ()),
    ],
)
def test_kind_and_classes(values: list, kind: str, classes: tuple[str, ...]) -> None:
    task = infer(values)
    assert (task.kind, task.classes) == (kind, classes)


def test_twenty_classes_are_the_most() -> None:
    assert infer(list(range(20)) * 2).kind == "multiclass"


def test_what_the_user_states_wins() -> None:
    assert infer([0, 1, 2, 0, 1, 2], kind="regression").kind == "regression"
    assert infer([3, 7, 9, 3, 7, 9], kind="multiclass").classes == ("3", "7", "9")
    assert infer(["1", "2.5", "3"], kind="regression").kind == "regression"
    assert infer(["0", "1", "2+", "0", "1", "2+"], kind="multiclass").classes == ("0", "1", "2+")
    task = infer([0, 1, 0, 1], metric="accuracy", weight=0.5)
    assert (task.metric, task.weight) == ("accuracy", 0.5)


def test_reasons() -> None:
    table = pa.table({"a": [0, 1, 2] * 2, "b": ["x", "y", "z"] * 2})
    found = infer_targets(table, where="t", targets=["a", "b"], kinds={"b": "multiclass"})
    assert found[0].reason == "3 distinct whole numbers 0 to 2"
    assert found[1].reason == "3 distinct text values, kind as stated"


def test_a_single_row_of_two_classes_is_kept_unless_rare_classes_are_errors() -> None:
    table = pa.table({"y": [0, 0, 1, 0]})
    for rare in ("drop", "merge"):
        (found,) = infer_targets(table, where="t", targets=["y"], rare=rare)
        assert (found.task.kind, found.task.classes, dict(found.renamed)) == ("binary", ("0", "1"), {})


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([None, None], {}, "no row has a label"),
        (["", ""], {}, "no row has a label"),
        ([1, 1, None], {}, "every label is '1'"),
        ([-100, -100, 1], {"kind": "multiclass"}, "every label is '1'"),
        (["a", "b", "b", "c", "c"], {}, "classes with a single row: 'a'; --rare drop"),
        ([0, 1, 1, 1], {}, "classes with a single row: '0'"),
        ([0, 1, 2, 0, 1], {}, "'2'; .* or state the kind regression"),
        ([1.0, float("inf"), 2.5], {}, "1 infinite values, first in row 2"),
        (["1", "2", "three", "1"], {}, r"mixes numbers, such as '1' \(row 1\), and words, such as 'three' \(row 3\)"),
        (["a", "b", "a", "b"], {"kind": "regression"}, r"expected numbers, found 'a' \(row 1\)"),
        ([0, 1, 2, 0, 1, 2], {"kind": "binary"}, r"3 distinct values \(0, 1, 2\); expected 2"),
        ([0, 1, 0, 1], {"kind": "binray"}, "did you mean 'binary'"),
        ([0, 1, 0, 1], {"metric": "r2"}, "does not fit a binary task"),
        ([0, 1, 0, 1], {"weight": -1.0}, "weight must be a number of at least 0"),
        (pa.array([["a"], ["b"]]), {}, "cannot be a target; .* state the kind multilabel"),
        (pa.array([{"a": 1}]), {}, "cannot be a target; convert them to numbers or words$"),
    ],
)
def test_bad_columns(values: list, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        infer(values, **options)
    assert "'y'" in str(caught.value)


def test_all_problems_at_once() -> None:
    table = pa.table({"click": [1, 1], "price": [1.0, float("inf")], "other": [1, 2]})
    with pytest.raises(UserError) as caught:
        infer_tasks(
            table,
            where="t.csv",
            targets=["click", "prize", "price", "price"],
            kinds={"clik": "binary"},
        )
    problems = caught.value.problems
    assert len(problems) == 5
    for words in ("no column 'prize'; did you mean 'price'?", "'price' is listed 2 times", "kind of 'clik'"):
        assert any(words in problem for problem in problems)
    assert any("every label is '1'" in problem for problem in problems)
    assert any("infinite" in problem for problem in problems)


def test_no_targets() -> None:
    with pytest.raises(UserError, match="no target columns given"):
        infer_tasks(pa.table({"a": [1]}), where="t.csv", targets=[])


@pytest.mark.parametrize(
    ("values", "rare", "classes", "renamed"),
    [
        (["a", "b", "b", "c", "c"], "drop", ("b", "c"), {"a": ""}),
        (["a", "b", "b", "c", "c", "d"], "merge", ("b", "c", "other"), {"a": "other", "d": "other"}),
        (["a", "b", "b", "c", "c"], "merge", ("b", "c"), {"a": ""}),  # one row alone makes no class
        ([0, 1, 2, 3, 0, 2, 3], "drop", ("0", "2", "3"), {"1": ""}),  # still classes
    ],
)
def test_rare_classes(values: list, rare: str, classes: tuple[str, ...], renamed: dict[str, str]) -> None:
    (found,) = infer_targets(pa.table({"y": values}), where="t", targets=["y"], rare=rare)
    assert (found.task.classes, found.renamed) == (classes, renamed)


def test_a_target_of_dates_is_refused() -> None:
    with pytest.raises(UserError, match=r"dates, such as '2024-01-01'.*cannot be a target"):
        infer(["2024-01-01", "2024-01-02", "2024-01-01"])


@pytest.mark.parametrize(("rare", "left"), [("drop", "none is left"), ("merge", "1 is left")])
def test_a_target_of_different_names_states_why_nothing_is_left(rare: str, left: str) -> None:
    names = pa.table({"y": ["Ain", "Aisne", "Allier", "Ardennes"]})
    with pytest.raises(UserError, match=f"4 of its classes have a single row, such as 'Ain', and {left} without them"):
        infer_targets(names, where="t", targets=["y"], rare=rare)
