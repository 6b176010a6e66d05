"""``polytask select`` with constraints, costs, losses of pairs, and resamples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from polytask.grouping import Affinity, Windows
from small_table import assert_refused, polytask

TASKS = ("a", "b", "c", "d")
MATRIX = np.array([[0, 3, 1, -1], [3, 0, 1, -1], [1, -1, 0, 2], [-1, -1, 2, 0.0]])


@pytest.fixture
def affinity(tmp_path: Path) -> Path:
    means = MATRIX + np.random.default_rng(0).normal(size=(10, 4, 4))
    history = Windows(np.arange(20).reshape(10, 2), means, np.ones((10, 4, 4), int))
    path = tmp_path / "affinity.json"
    Affinity(TASKS, MATRIX, {"windows": history.to_json_dict()}).save(path)
    return path


def chosen(*arguments: object) -> dict:
    result = polytask("select", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_constraints_and_costs(affinity: Path) -> None:
    assert chosen(affinity, "--networks", 2)["networks"] == [["a", "b"], ["c", "d"]]
    found = chosen(affinity, "--networks", 2, "--apart", "a,b", "--together", "b,d", "--max-size", 3)
    assert found["serves"]["b"] == found["serves"]["d"]
    assert not any({"a", "b"} <= set(network) for network in found["networks"])
    cheap = chosen(affinity, "--budget", 1.5, "--cost", "1=0.5", "--single-score", 0)
    assert sum(0.5 if len(network) == 1 else 1 for network in cheap["networks"]) <= 1.5


def test_more_networks_than_tasks_change_nothing(affinity: Path) -> None:
    assert chosen(affinity, "--networks", 9) == chosen(affinity, "--networks", 4)


def test_a_search_that_time_ended_reports_it(tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    Affinity(tuple(map(str, range(30))), np.random.default_rng(0).normal(size=(30, 30))).save(path)
    assert "complete" not in chosen(path, "--networks", 3, "--rounds", 0)
    assert chosen(path, "--networks", 3, "--seconds", 1e-6)["complete"] is False
    assert "--seconds ended the search" in polytask("select", path, "--networks", 3, "--seconds", 1e-6).stdout
    assert "proven for up to 20 tasks" in polytask("select", "--help").stdout


def test_losses_of_pairs_are_minimised(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    Affinity(("a", "b", "c"), np.array([[3, 1, 5], [2, 3, 5], [4, 4, 4.0]])).save(path)
    found = chosen(path, "--networks", 2, "--losses")
    assert found["networks"] == [["a", "b"], ["c"]] and found["score"] == pytest.approx(-7 / 3)


def test_stability_is_shown_where_there_are_windows(affinity: Path, tmp_path: Path) -> None:
    shown = polytask("select", affinity, "--networks", 2).stdout
    assert "stability" in shown and "in 100 resamples" in shown
    assert "stability" not in polytask("select", affinity, "--networks", 2, "--resamples", 0).stdout
    bare = tmp_path / "bare.json"
    Affinity(TASKS, MATRIX).save(bare)
    assert "stability" not in polytask("select", bare, "--networks", 2).stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "--networks: give the largest number"),
        (("--networks", 0), "expected a whole number of networks, at least 1"),
        (("--networks", 2, "--seconds", 0), "seconds: expected a number above 0"),
        (("--networks", 1, "--apart", "a,b"), "cannot serve all tasks"),
        (("--networks", 2, "--together", "a,e"), "'e' is not a task"),
        (("--networks", 2, "--cost", "1=0.5"), "has an effect only with a budget"),
        (("--budget", 2, "--cost", "one=0.5"), "expected SIZE=COST"),
        (("--networks", 2, "--losses", "--single-score", 0), "has no effect with --losses"),
        (("--networks", 2, "--resamples", -1), "--resamples"),
    ],
)
def test_constraints_that_cannot_be_met(affinity: Path, options: tuple[object, ...], words: str) -> None:
    assert_refused(polytask("select", affinity, *options), words)


def test_losses_need_the_tasks_alone(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    Affinity(("a", "b"), np.array([[np.nan, 1], [2, 3.0]])).save(path)
    assert_refused(polytask("select", path, "--networks", 1, "--losses"), "single_score: expected a finite number")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"tasks": ["a", "b"], "affinity": [[0, 1], [1]]}, "square"),
        ({"tasks": ["a", "b", "c"], "affinity": [[0, 1], [1, 0]]}, "3 task names for a matrix of 2 rows"),
        ({"tasks": ["a", "a"], "affinity": [[0, 1], [1, 0]]}, "found repeated: a"),
        ({"tasks": ["a", "b"], "affinity": [[0, None], [1, 0]]}, "finite"),
        ({"tasks": ["a"], "affinity": [[0]]}, "at least two tasks"),
    ],
)
def test_wrong_matrices(content: dict, words: str, tmp_path: Path) -> None:
    path = tmp_path / "affinity.json"
    path.write_text(json.dumps(content))
    assert_refused(polytask("select", path, "--networks", 1), words)
