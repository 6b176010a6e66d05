"""Matrices, budgets and files that are wrong, and files that are right."""

from __future__ import annotations

import json

import numpy as np
import pytest

from polytask.errors import UserError
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection import Selection, choose_budget, score_curve, select_networks

RIGHT = {"tasks": ["a", "b"], "affinity": [[None, 0.5], [-0.25, None]], "meta": {"every": 10}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"affinity": [[0, 1, 2], [1, 0, 2]]}, "square matrix"),
        ({"affinity": [[0, 1], [1]]}, "length 1, 2"),
        ({"affinity": []}, "list of rows"),
        ({"affinity": 3}, "list of rows"),
        ({"affinity": "ab"}, "list of rows"),
        ({"affinity": [0, 1]}, "list of rows"),
        ({"affinity": [[0, "x"], [1, 0]]}, "numbers only"),
        ({"affinity": [[0, None], [1, 0]]}, "effect of task 'a' on task 'b' .row 0, column 1. .* found nan"),
        ({"affinity": [[0, 1], [float("inf"), 0]]}, "effect of task 'b' on task 'a' .* found inf"),
        ({"tasks": ["a", "b", "c"]}, "3 task names for a matrix of 2 rows"),
        ({"tasks": ["a", "a"]}, "found repeated: a"),
        ({"tasks": "ab"}, "list of names"),
        ({"tasks": ["a", 2]}, "list of names"),
        ({"meta": [1]}, "'meta' should be an object"),
    ],
)
def test_wrong_affinity(changes, words):
    with pytest.raises(UserError, match=words) as caught:
        Affinity.from_json_dict({**RIGHT, **changes}, where="file.json")
    assert "file.json" in str(caught.value)


def test_all_problems_at_once():
    with pytest.raises(UserError) as caught:
        Affinity(("a", "a", "b"), np.array([[0, np.nan], [np.inf, 0]]))
    assert len(caught.value.problems) == 4
    with pytest.raises(UserError) as caught:
        Affinity.from_json_dict({"meta": {}})
    assert len(caught.value.problems) == 2
    with pytest.raises(UserError) as caught:
        select_networks(Affinity.from_json_dict(RIGHT), 0, single_score=float("nan"))
    assert len(caught.value.problems) == 2


def test_no_task():
    with pytest.raises(UserError, match="square matrix"):
        Affinity((), np.empty((0, 0)))


def test_affinity_file(tmp_path):
    affinity = Affinity.from_json_dict(RIGHT)
    affinity.save(tmp_path / "affinity.json")
    affinity.save(tmp_path / "affinity.json")  # over an older one
    assert json.loads((tmp_path / "affinity.json").read_text()) == RIGHT
    assert Affinity.load(tmp_path / "affinity.json").to_json_dict() == RIGHT
    assert [path.name for path in tmp_path.iterdir()] == ["affinity.json"]
    assert Affinity.from_json_dict({"tasks": ["a"], "affinity": [[1.0]]}).meta == {}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    Affinity.from_json_dict(RIGHT).save(tmp_path / "affinity.json")
    with pytest.raises(TypeError):
        Affinity(("a",), np.zeros((1, 1)), {"not for JSON": object()}).save(tmp_path / "affinity.json")
    assert Affinity.load(tmp_path / "affinity.json").to_json_dict() == RIGHT
    assert [path.name for path in tmp_path.iterdir()] == ["affinity.json"]


@pytest.mark.parametrize("kind", [Affinity, Selection])
def test_wrong_file(tmp_path, kind):
    path = tmp_path / "file.json"
    with pytest.raises(UserError, match="no such file"):
        kind.load(path)
    with pytest.raises(UserError, match="cannot be read"):
        kind.load(tmp_path)
    path.write_text("{")
    with pytest.raises(UserError, match="expected a JSON file"):
        kind.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="expected a JSON file"):
        kind.load(path)
    path.write_text("[1]")
    with pytest.raises(UserError, match="expected an object"):
        kind.load(path)
    path.write_text('{"task": ["a"]}')
    with pytest.raises(UserError, match=r"is missing .found: task."):
        kind.load(path)


def test_the_matrix_cannot_change_afterwards():
    source = np.array([[0.0, 1.0], [2.0, 0.0]])
    affinity = Affinity(("a", "b"), source)
    source[0, 1] = 5
    assert affinity.matrix[0, 1] == 1
    with pytest.raises(ValueError, match="read-only"):
        affinity.matrix[0, 1] = 5


def test_selection_file(tmp_path):
    selection = select_networks(Affinity.from_json_dict(RIGHT), 2)
    selection.save(tmp_path / "selection.json")
    assert Selection.load(tmp_path / "selection.json") == selection
    content = selection.to_json_dict()
    assert content["networks"] == [["a", "b"]] and content["serves"] == {"a": 0, "b": 0}
    assert content["score"] == content["bound"] == 0.125 and content["optimal"] is True


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"networks": 3}, "wrong kind"),
        ({"serves": ["a"]}, "wrong kind"),
        ({"score": "high"}, "wrong kind"),
        ({"serves": {"a": 1}}, "served by a network that contains it"),
        ({"serves": {"c": 0}}, "served by a network that contains it"),
    ],
)
def test_wrong_selection(changes, words):
    content = select_networks(Affinity.from_json_dict(RIGHT), 2).to_json_dict()
    with pytest.raises(UserError, match=words):
        Selection.from_json_dict({**content, **changes})


@pytest.mark.parametrize("networks", [0, -1, 1.5, True, "2", None])
def test_wrong_budget(networks):
    with pytest.raises(UserError, match="whole number"):
        select_networks(Affinity.from_json_dict(RIGHT), networks)
    with pytest.raises(UserError, match=r"max_networks: .* whole number"):
        score_curve(Affinity.from_json_dict(RIGHT), networks)


def test_more_networks_than_tasks_are_as_good_as_one_each():
    affinity = Affinity.from_json_dict(RIGHT)
    assert select_networks(affinity, 3) == select_networks(affinity, 2)
    assert score_curve(affinity, 4)[1:] == [select_networks(affinity, 2)] * 3
    many = Affinity(tuple(map(str, range(25))), np.random.default_rng(0).normal(size=(25, 25)))
    assert select_networks(many, 99, rounds=0) == select_networks(many, 25, rounds=0)
    assert select_networks(affinity, budget=99.0, cost={1: 0.5}, single_score=1.0).networks == (("a",), ("b",))


def test_one_task_leaves_nothing_to_choose():
    with pytest.raises(UserError, match="at least two tasks, found only 'a'"):
        select_networks(Affinity(("a",), np.array([[np.nan]])), 1)


@pytest.mark.parametrize("single_score", [float("nan"), float("inf"), "0"])
def test_wrong_single_score(single_score):
    with pytest.raises(UserError, match="single_score: expected a finite number"):
        select_networks(Affinity.from_json_dict(RIGHT), 1, single_score=single_score)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "1"])
def test_wrong_time(seconds):
    with pytest.raises(UserError, match="seconds: expected a number above 0"):
        select_networks(Affinity.from_json_dict(RIGHT), 1, seconds=seconds)


@pytest.mark.parametrize(
    ("networks", "max_size", "single_score", "words"),
    [
        (1, 1, None, "at least 2; networks of one task need a single_score, found 1"),
        (1, 0, 0.5, "at least 1, found 0"),
        (1, "3", None, "found '3'"),
        (1, 1, 0.5, "1 networks of at most 1 tasks cannot serve 2 tasks; allow 2 networks, or 2 tasks in each"),
    ],
)
def test_wrong_size(networks, max_size, single_score, words):
    with pytest.raises(UserError, match=words):
        select_networks(Affinity.from_json_dict(RIGHT), networks, max_size=max_size, single_score=single_score)


@pytest.mark.parametrize("size", [1.7e308, 1e-320])
def test_numbers_at_the_ends_of_the_range(size):
    found = select_networks(Affinity(tuple("abc"), np.full((3, 3), size)), 2)
    assert found.networks == (("a", "b", "c"),) and found.score == pytest.approx(size) and found.optimal


@pytest.mark.parametrize("rounds", [-1, 0.5])
def test_wrong_rounds(rounds):
    with pytest.raises(UserError, match="rounds: expected a whole number"):
        select_networks(Affinity.from_json_dict(RIGHT), 1, rounds=rounds)


def test_wrong_curve():
    with pytest.raises(UserError, match="found none"):
        choose_budget([])
    with pytest.raises(UserError, match="from 0 to 1"):
        choose_budget(score_curve(Affinity.from_json_dict(RIGHT), 1), share=2)
