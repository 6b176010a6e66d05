"""Plots as data: against scikit-learn, by hand, and for every kind from its own predictions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from polytask.task import KINDS, Task
from polytask.task.plots import Curve, Graph, Matrix, plot_of_dict
from polytask.task.plots.classes import calibration, confusion, gains, precision_recall, roc
from polytask.task.plots.numbers import predicted_and_true, residuals


@pytest.fixture(scope="module")
def rows() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    y = (torch.rand(400, generator=draw) < 0.3).float()
    p = (0.3 * y + 0.6 * torch.rand(400, generator=draw)).mul(50).round().div(50)  # with ties
    return p, y


def line(chart: Graph | None, role: str = "ours") -> Curve:
    assert chart is not None
    return next(one for one in chart.lines if one.role == role)


def on(curve: set[tuple[float, float]], points: tuple[tuple[float, float], ...]) -> bool:
    return all(min(abs(x - a) + abs(y - b) for a, b in curve) < 1e-9 for x, y in points)


def test_curves_lie_on_those_of_scikit_learn(rows: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, y = rows
    false, true, _ = roc_curve(y, p, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(y, p)
    assert on(set(zip(false, true, strict=True)), line(roc(p, y)).points)
    assert on(set(zip(recall, precision, strict=True)), line(precision_recall(p, y)).points)


def test_gains_are_the_found_rows_of_the_first_ones(rows: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, y = rows
    for share, found in line(gains(p, y)).points[1:]:
        first = p.sort(descending=True).values[round(share * len(p)) - 1]
        assert found == pytest.approx(float(y[p >= first].sum() / y.sum()))
    assert line(gains(y, y)).points == ((0.0, 0.0), (float(y.mean(dtype=torch.float64)), 1.0), (1.0, 1.0))


def test_the_mark_is_where_the_threshold_is(rows: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, y = rows
    found = p > 0.4
    expected = (float((found & (y == 0)).sum() / (y == 0).sum()), float((found & (y == 1)).sum() / (y == 1).sum()))
    assert line(roc(p, y, 0.4), "mark").points[0] == pytest.approx(expected)
    assert [one.role for one in roc(p, y, 2.0).lines] == ["reference", "ours"]  # type: ignore[union-attr]


def test_calibration_is_right_in_every_tenth_where_probabilities_are_true() -> None:
    draw = torch.Generator().manual_seed(1)
    p = torch.rand(20_000, generator=draw)
    y = torch.rand(20_000, generator=draw) < p
    found = line(calibration(p, y))
    assert len(found.points) == 10
    inside = [low <= x <= high for (x, _), (low, high) in zip(found.points, found.spans, strict=True)]
    assert sum(inside) >= 8
    assert max(abs(x - share) for x, share in found.points) < 0.03


def test_confusion_counts_rows_and_joins_rare_classes() -> None:
    true, found = np.arange(300) % 30, np.arange(300) * 7 % 30
    classes = [f"c{k}" for k in range(30)]
    few = confusion(torch.from_numpy(true % 3), torch.from_numpy(found % 3), classes[:3])
    assert few is not None and np.array_equal(few.values, confusion_matrix(true % 3, found % 3))
    many = confusion(torch.from_numpy(true), torch.from_numpy(found), classes)
    assert many is not None and many.rows[-1] == "others" and len(many.rows) == 12
    assert np.sum(many.values) == 300


def test_numbers_keep_their_units_and_few_points() -> None:
    y = torch.linspace(0, 1000, 5000)
    drawn = line(predicted_and_true(y, y + 5), "points")
    assert len(drawn.points) <= 240 and all(b - a == pytest.approx(5) for a, b in drawn.points)
    assert all(middle == pytest.approx(5) for _, middle in line(residuals(y, y + 5)).points)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_draws_what_json_can_hold_or_nothing(kind: str) -> None:
    definition, draw = KINDS[kind], torch.Generator().manual_seed(0)
    classes = ("a", "b", "c")[: definition.most_classes] if definition.least_classes else ()
    task = Task("t", kind=kind, classes=classes)
    if definition.wide and not hasattr(definition, "words"):
        return  # places and lists have no plots yet
    shape = (60, 4) if definition.wide and definition.vector_output else (60, 3) if definition.wide else (60,)
    outputs = torch.randn(*shape, *([task.width] if definition.vector_output else []), generator=draw)
    targets = torch.randint(0, 2, shape, generator=draw).float()
    plots = definition.plots(task, definition.predict(outputs), targets)
    assert plots and len({plot.name for plot in plots}) == len(plots)
    for plot in plots:
        again = plot_of_dict(json.loads(json.dumps(plot.to_dict(), allow_nan=False)))
        assert type(again) is type(plot) and again.name == plot.name
    assert all(
        isinstance(plot, Graph | Matrix)
        for plot in definition.plots(task, definition.predict(outputs[:1]), targets[:1])
    )


@pytest.mark.parametrize("kind", ["binary", "multiclass", "ordinal", "multilabel", "tags"])
def test_bars_of_calibration_count_what_belongs_together_once(kind: str) -> None:
    """With every row three times bars are as with every row once, if they are one group, and narrower if not."""
    definition, draw = KINDS[kind], torch.Generator().manual_seed(0)
    classes = ("a", "b", "c")[: definition.most_classes]
    task = Task("t", kind=kind, classes=classes)
    shape = (200, 3) if definition.wide else (200,)
    outputs = torch.randn(*shape, *([task.width] if definition.vector_output else []), generator=draw)
    targets, rows = torch.randint(0, 2, shape, generator=draw).float(), torch.arange(200)

    def widths(repeats: int, units: torch.Tensor | None) -> float:
        predictions, own = (values.repeat_interleave(repeats, 0) for values in (definition.predict(outputs), targets))
        [drawn] = [plot for plot in definition.plots(task, predictions, own, units) if plot.name == "calibration"]
        assert isinstance(drawn, Graph)
        return sum(high - low for low, high in drawn.lines[1].spans)

    once = widths(1, None)
    assert widths(3, rows.repeat_interleave(3)) == pytest.approx(once, rel=0.1)
    assert widths(3, None) < 0.7 * once


def test_nothing_is_drawn_of_no_rows() -> None:
    nothing = torch.zeros(0)
    assert all(plot(nothing, nothing) is None for plot in (roc, precision_recall, gains, calibration, residuals))
    assert roc(torch.rand(5), torch.ones(5)) is None
