"""What a task accepts, and what it derives."""

import pytest

from polytask import Task, UserError


@pytest.mark.parametrize(
    ("options", "width", "metric"),
    [
        ({"kind": "binary"}, 1, "roc_auc"),
        ({"kind": "multiclass", "classes": ("a", "b", "c")}, 3, "accuracy"),
        ({"kind": "regression"}, 1, "r2"),
        ({"kind": "regression", "metric": "mae"}, 1, "mae"),
    ],
)
def test_width_and_metric_follow_from_the_kind(options, width, metric):
    task = Task("t", **options)
    assert (task.width, task.metric) == (width, metric)


def test_classes_become_texts_and_two_are_the_default_of_binary():
    assert Task("t", kind="multiclass", classes=(3, 1)).classes == ("3", "1")
    assert Task("t").classes == ("0", "1")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "binry"}, "did you mean 'binary'"),
        ({"kind": "multiclass"}, "at least 2"),
        ({"kind": "multiclass", "classes": ("a",)}, "at least 2, found 1"),
        ({"kind": "multiclass", "classes": ("a", "a")}, "class labels repeat: a, a"),
        ({"kind": "binary", "classes": ("a", "b", "c")}, "has 2 classes, found 3"),
        ({"kind": "regression", "classes": ("a",)}, "has 0 classes, found 1"),
        ({"weight": -1.0}, "weight must be a number of at least 0, found -1.0"),
        ({"weight": float("nan")}, "found nan"),
        ({"weight": float("inf")}, "found inf"),
        ({"kind": "regression", "scale": 0.0}, "scale must be more than 0"),
        ({"metric": "rocauc"}, "did you mean 'roc_auc'"),
        ({"metric": "r2"}, "does not fit a binary task; fitting: roc_auc"),
    ],
)
def test_a_mistake_names_the_task_and_the_remedy(options, words):
    with pytest.raises(UserError) as error:
        Task("click", **options)
    assert "'click'" in str(error.value)
    assert words in str(error.value)


def test_all_mistakes_are_shown_at_once():
    with pytest.raises(UserError) as error:
        Task("t", kind="multiclass", weight=-1, scale=0, metric="r2")
    assert len(error.value.problems) == 4


def test_tasks_with_equal_content_are_equal():
    assert Task("a") == Task("a", classes=("0", "1"), metric="roc_auc")
