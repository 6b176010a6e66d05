"""Both habits of delta m, against rows as published."""

from __future__ import annotations

import numpy as np
import pytest

from polytask.comparison.statistics import delta_m
from polytask.errors import UserError

# NYUv2: mIoU, pixel accuracy, absolute and relative error, mean and median angle, shares within 11.25, 22.5, 30°.
EQUAL_WEIGHTS = [39.29, 65.33, 0.5493, 0.2263, 28.15, 23.96, 22.09, 47.50, 61.08]
SINGLE_TASK = [38.30, 63.76, 0.6754, 0.2780, 25.01, 19.21, 30.14, 57.20, 69.15]
HIGHER = [True, True, False, False, False, False, True, True, True]
TASKS = ["segmentation"] * 2 + ["depth"] * 2 + ["normals"] * 5


def test_mean_over_metrics_as_published() -> None:
    found = delta_m(EQUAL_WEIGHTS, SINGLE_TASK, HIGHER, better="lower")
    assert found.value == pytest.approx(5.59, abs=0.005)
    assert "mean over metrics; lower is better; relative to single-task models" in str(found)


def test_mean_over_tasks_has_the_other_sign() -> None:
    found = delta_m(EQUAL_WEIGHTS, SINGLE_TASK, HIGHER, tasks=TASKS)
    assert found.value == pytest.approx(0.88, abs=0.005)
    assert "over tasks" in str(found) and "higher is better" in str(found)


def test_one_metric_per_task() -> None:
    chosen = [0, 2, 4]
    found = delta_m(*(np.take(row, chosen) for row in (EQUAL_WEIGHTS, SINGLE_TASK, HIGHER)))
    assert found.value == pytest.approx(2.90, abs=0.005)


def test_seeds_are_rows() -> None:
    values = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert delta_m(values, [1.0, 1.0], [True, False]).value.tolist() == [50.0, -50.0]


@pytest.mark.parametrize("baseline", [[0.0, 1.0], [np.nan, 1.0]])
def test_no_scale_is_refused(baseline: list[float]) -> None:
    with pytest.raises(UserError, match="no scale"):
        delta_m([1.0, 1.0], baseline, [True, True])


def test_shapes_are_checked() -> None:
    with pytest.raises(UserError, match="as many values"):
        delta_m([1.0], [1.0, 2.0], [True, True])
