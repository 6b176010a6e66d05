"""Drawings: the right thing at the right place."""

from __future__ import annotations

import re

import pytest

from polytask.records.run import TaskMatrix
from polytask.reporting.curves import Panel, curve
from polytask.reporting.heatmap import heatmap, scaled
from polytask.reporting.score import score_curve
from polytask.reporting.svg import Frame, element, padded, shortened, ticks, width_of

RISING = [(float(epoch), 0.5 + 0.04 * epoch) for epoch in range(1, 11)]


def places(drawing: str, mark: str) -> tuple[float, float]:
    found = re.search(rf'<circle cx="([\d.]+)" cy="([\d.]+)" r="[\d.]+" class="{mark}"', drawing)
    assert found, drawing
    return float(found[1]), float(found[2])


def test_the_returned_checkpoint_lies_on_the_curve() -> None:
    drawing = curve(Panel("a", "auc", "max", RISING, returned=10.0))
    x, y = places(drawing, "returned")
    line = re.findall(r'd="M([^"]*)" class="line ours"', drawing)[0]
    last = [float(part) for part in line.split("L")[-1].split()]
    assert [x, y] == pytest.approx(last, abs=0.1)


def test_marks_are_drawn_only_where_there_is_something_to_mark() -> None:
    plain = curve(Panel("a", "auc", "max", RISING))
    marked = curve(Panel("a", "auc", "max", RISING, switch=5.0, peak=0.9, returned=6.0))
    for mark in ("switch", "peak", "returned"):
        assert f'class="{mark}"' not in plain
        assert f'class="{mark}"' in marked


def test_axes_are_named() -> None:
    drawing = curve(Panel("a", "rmse", "min", RISING))
    assert "rmse ↓</text>" in drawing
    assert "epoch</text>" in drawing


@pytest.mark.parametrize(
    "ours",
    [[], [(1.0, 0.5)], [(0.0, 0.5)], [(1.0, 0.5), (2.0, 0.5)], [(1.0, 0.0), (2.0, 0.0)], [(1.0, -1e9), (2.0, 1e9)]],
)
def test_degenerate_curves_are_drawn(ours: list[tuple[float, float]]) -> None:
    drawing = curve(Panel("a", "auc", "max", ours, switch=1.0, returned=2.0))
    assert not re.search("nan|inf", drawing)


def test_a_terrible_start_does_not_flatten_the_rest() -> None:
    start = [(0.1, -500.0)]
    drawing = curve(Panel("a", "r2", "max", start + RISING))
    line = re.findall(r'd="M([^"]*)" class="line ours"', drawing)[0]
    heights = [float(point.split()[1]) for point in line.split("L")][1:]
    assert max(heights) - min(heights) > 15  # drawn over the whole range it would be under 1


def test_each_column_of_affinities_is_scaled_by_its_own_largest() -> None:
    affinity = TaskMatrix(["a", "b", "c"], [[9.0, 0.02, -4.0], [1.0, 9.0, 2.0], [-0.5, -0.01, 9.0]])
    assert scaled(affinity) == [[None, 1.0, -1.0], [1.0, None, 0.5], [-0.5, -0.5, None]]


def test_affinities_of_nothing_are_white_and_undefined_ones_marked() -> None:
    affinity = TaskMatrix(["a", "b"], [[1.0, 0.0], [None, 1.0]])
    assert scaled(affinity) == [[None, 0.0], [None, None]]
    assert heatmap(affinity, [["a", "b"]]).count('class="undefined"') == 1


def test_the_matrix_follows_the_groups() -> None:
    affinity = TaskMatrix(["a", "b", "c"], [[0.0] * 3] * 3)
    drawing = heatmap(affinity, [["c"], ["a", "b"]])
    rows = re.findall(r'text-anchor="end" class="name">(\w)<', drawing)
    assert rows == ["c", "a", "b"]
    assert drawing.count('class="group"') == 2


def test_rows_are_updated_and_columns_are_affected() -> None:
    drawing = heatmap(TaskMatrix(["a", "b"], [[9.0, 0.5], [-0.3, 9.0]]), [["a", "b"]])
    assert re.search(r'class="helps" fill-opacity="1"><title>an update on a → loss of b: 0.5<', drawing)
    assert re.search(r'class="hurts" fill-opacity="1"><title>an update on b → loss of a: −0.3<', drawing)  # noqa: RUF001


def test_the_chosen_number_of_networks_is_filled() -> None:
    drawing = score_curve([(2, 0.3), (1, 0.1), (3, 0.35)], chosen=2)
    assert drawing.count('class="mark"') == 2
    assert drawing.count('class="mark chosen"') == 1


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.501, 0.502), (-3, 400), (0, 1e-7), (1e6, 3e6), (-1, -0.5)])
def test_ticks_are_distinct_inside_and_few(low: float, high: float) -> None:
    found = ticks(low, high, most=6)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-6 * (high - low) <= value <= high + 1e-6 * (high - low) for value, _ in found)
    assert len({text for _, text in found}) == len(found)


def test_a_range_is_never_empty() -> None:
    for values in ([0.0], [5.0, 5.0], [-2.0]):
        low, high = padded(values)
        assert low < min(values) <= max(values) < high


def test_larger_values_are_drawn_higher() -> None:
    frame = Frame((0, 1), (0, 1))
    assert frame.at(0, 1)[1] < frame.at(0, 0)[1]


def test_names_are_shortened_in_the_middle() -> None:
    name = "purchase_within_thirty_days_of_the_first_visit"
    short = shortened(name, 20)
    assert width_of(short) <= 20
    assert short.startswith("purchase") and short.endswith("visit")
    assert width_of(shortened("退货率" * 20, 20)) <= 20
    assert shortened("short", 20) == "short"


def test_text_and_attributes_are_escaped() -> None:
    assert element("text", "<b>", title='"<') == '<text title="&#34;&lt;">&lt;b&gt;</text>'
