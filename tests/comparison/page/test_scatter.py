"""The figure of cost against quality: every name can be read, wherever the points are."""

import re

import numpy as np
import pytest

from polytask.comparison.page.labels import clusters, spread
from polytask.comparison.page.scatter import Point, scatter


@pytest.mark.parametrize("seed", range(5))
def test_spread_heights_keep_their_order_and_distance_and_stay_inside(seed):
    heights = np.random.default_rng(seed).uniform(0, 100, 8)
    found = np.array(spread(heights.tolist(), 10, 0, 100))
    assert (np.diff(found[np.argsort(heights)]) >= 10 - 1e-9).all()
    assert found.min() >= 0 and found.max() <= 100


def test_too_many_labels_go_on_below():
    assert spread([5.0] * 4, 10, 0, 20) == [0, 10, 20, 30]


def test_spans_that_touch_are_one_cluster():
    assert clusters([(3, 4), (0, 1), (1, 3), (6, 7)]) == [[1, 2, 0], [3]]


def test_names_of_methods_at_one_place_stand_below_each_other():
    points = [Point(f"method {number}", 1000.0, 0.62 + number % 2 * 1e-3) for number in range(12)]
    drawn = scatter([*points, Point("alone", 9000.0, 0.5, front=True)], "parameters", "skill")
    heights = {
        name: float(y) for y, name in re.findall(r'<text[^>]*? y="([\d.]+)"[^>]*>(method \d+|alone)</text>', drawn)
    }
    assert len(heights) == 13
    together = sorted(height for name, height in heights.items() if name != "alone")
    assert min(np.diff(together)) >= 12
    assert drawn.count('class="leader"') >= 10
