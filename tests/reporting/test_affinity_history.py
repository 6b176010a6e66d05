"""The history of affinities, how stable a choice is, and the knee, as the page shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from polytask.grouping import Windows
from polytask.records.run import TaskMatrix
from polytask.reporting.affinity_history import histories
from polytask.reporting.score import score_curve


def measured(tasks: int, windows: int = 4) -> TaskMatrix:
    means = np.random.default_rng(0).normal(size=(windows, tasks, tasks))
    steps = np.arange(2 * windows).reshape(windows, 2) * 5
    history = Windows(steps, means, np.ones((windows, tasks, tasks), int))
    return TaskMatrix([f"t{i}" for i in range(tasks)], history.mean().tolist(), history)


def test_one_image_per_task_with_one_line_per_other_task() -> None:
    images = histories(measured(4), {"t0": ["t1", "t3"]})
    assert [task for task, _ in images] == ["t0", "t1", "t2", "t3"]
    first, second = str(images[0][1]), str(images[1][1])
    assert first.count("line partner") == 2 and first.count("line other") == 1
    assert second.count("line partner") == 0 and second.count("line other") == 3
    assert first.rindex("line other") < first.index("line partner")  # partners are on top


def test_lines_of_many_tasks_have_few_points() -> None:
    drawn = [str(picture) for _, picture in histories(measured(20, windows=60), {})]
    assert sum(map(len, drawn)) < 150_000 and all(picture.count("line other") == 19 for picture in drawn)
    assert str(histories(measured(3, windows=60), {})[0][1]).count("L") == 2 * 59  # of few tasks all


def test_nothing_is_drawn_without_a_history() -> None:
    assert histories(TaskMatrix(["a", "b"], [[None, 1.0], [1.0, None]]), {}) == []
    assert histories(measured(3, windows=1), {}) == [] and histories(measured(30), {}) == []


def test_windows_without_a_sample_are_left_out() -> None:
    affinity = measured(3)
    assert affinity.windows is not None
    affinity.windows.counts[:, 1, 0] = 0
    assert str(histories(affinity, {})[0][1]).count("line other") == 1


def test_the_knee_has_a_line_down_to_the_axis() -> None:
    points = [(1, 0.1), (2, 0.3), (3, 0.31)]
    assert "knee" in str(score_curve(points, 1, knee=2))
    assert "knee" not in str(score_curve(points, 1)) and "knee" not in str(score_curve(points, 1, knee=7))


def test_stability_on_the_page(make_run: Callable[..., Path], read_report: Callable[[Path], Any]) -> None:
    folder = make_run(tasks=4, networks=2)
    path = folder / "selection.json"
    square = [[0.25] * 4] * 4
    stability = {"resamples": 100, "networks": [0.875, 1.0], "regret": 0.12, "enough": False}
    stability |= {"low": square, "high": square, "together": square}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"stability": stability}))
    page = read_report(folder)
    assert (
        "stability 87.5 %" in page.text and "regret of the choice is 12.0 %" in page.text and "too noisy" in page.text
    )
    assert "; 95 % interval 0.25 to 0.25; in one network in 25.0\xa0% of resamples" in page
