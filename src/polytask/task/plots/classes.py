"""Plots of predicted classes: how well rows are ordered, how often classes are confused, how true probabilities are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..wilson import wilson
from .chart import Curve, Graph, Matrix, Point, points_of

#: Points of a curve.
MOST_POINTS = 60
#: Groups of equally many rows that probabilities are compared in.
BINS = 10
#: Classes that a confusion matrix names; the others are one.
MOST_CLASSES = 12


def roc(p: Tensor, y: Tensor, threshold: float = 0.5) -> Graph | None:
    """Share of the positive rows that are found against the share of the negative ones that are.

    Args:
        p: ``[n]`` probabilities.
        y: ``[n]`` classes, 0 or 1.
        threshold: The probability whose point is marked.

    Returns:
        None if a class has no row.

    Example:
        >>> roc(torch.tensor([0.9, 0.2, 0.8, 0.4]), torch.tensor([1, 0, 1, 0])).lines[1].points[2]
        (0.0, 1.0)
    """
    if not _both(y):
        return None
    hits, others, _ = _counts(p, y)
    curve = _thinned(points_of(others / others[-1], hits / hits[-1]))
    at = _at(p, threshold, torch.stack([others / others[-1], hits / hits[-1]], 1))
    lines = (Curve("chance", ((0.0, 0.0), (1.0, 1.0)), role="reference"), Curve("ours", ((0.0, 0.0), *curve)), *at)
    return Graph("roc", "ROC", "false positive rate", "true positive rate", lines, True, _threshold_note(threshold))


def precision_recall(p: Tensor, y: Tensor, threshold: float = 0.5) -> Graph | None:
    """Precision against recall; see :func:`roc`."""
    if not _both(y):
        return None
    hits, _, found = _counts(p, y)
    recall, precision = hits / hits[-1], hits / found
    share = float((y > 0.5).double().mean())
    lines = (
        Curve("share of positive rows", ((0.0, share), (1.0, share)), role="reference"),
        Curve("ours", _thinned(points_of(recall, precision))),
        *_at(p, threshold, torch.stack([recall, precision], 1)),
    )
    return Graph(
        "precision_recall", "Precision and recall", "recall", "precision", lines, True, _threshold_note(threshold)
    )


def gains(p: Tensor, y: Tensor) -> Graph | None:
    """Share of the positive rows among the rows with the highest probabilities, by the share of all rows taken.

    Args:
        p: ``[n]`` probabilities.
        y: ``[n]`` classes, 0 or 1.

    Returns:
        None if a class has no row.

    Example:
        >>> gains(torch.tensor([0.9, 0.2, 0.8, 0.4]), torch.tensor([1, 0, 1, 0])).lines[2].points[:3]
        ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0))
    """
    if not _both(y):
        return None
    hits, _, found = _counts(p, y)
    best = (float((y > 0.5).double().mean()), 1.0)
    lines = (
        Curve("chance", ((0.0, 0.0), (1.0, 1.0)), role="reference"),
        Curve("perfect", ((0.0, 0.0), best, (1.0, 1.0)), role="reference"),
        Curve("ours", ((0.0, 0.0), *_thinned(points_of(found / found[-1], hits / hits[-1])))),
    )
    return Graph("gains", "Cumulative gains", "share of rows taken", "share of positive rows found", lines, True,
                 "Rows in order of their probability: the share of positive rows among the first.",
                 )  # fmt: skip


def calibration(p: Tensor, y: Tensor, name: str = "Calibration", units: Tensor | None = None) -> Graph | None:
    """How often what was given a probability was true, in groups of equally many rows with 95 % intervals (Wilson).

    Args:
        p: ``[n]`` probabilities.
        y: ``[n]`` whether it was true.
        name: The title.
        units: ``[n]`` what the rows count as in the intervals; by default each is its own.

    Example:
        >>> calibration(torch.full((100,), 0.3), torch.arange(100) % 10 < 3).lines[1].points
        ((0.30000001192092896, 0.3),)
    """
    if not len(p):
        return None
    order, true = p.argsort(stable=True), (y > 0.5).double()
    groups = order.tensor_split(1 if bool((p == p[0]).all()) else min(BINS, len(p)))
    points = tuple((float(p[rows].double().mean()), float(true[rows].mean())) for rows in groups)
    spans = tuple(wilson(true[rows], None if units is None else units[rows]) for rows in groups)
    lines = (Curve("perfect", ((0.0, 0.0), (1.0, 1.0)), role="reference"), Curve("ours", points, spans))
    return Graph("calibration", name, "predicted probability", "observed share", lines, True,
                 "Every point is a tenth of the rows, with the 95 % interval of its share.")  # fmt: skip


def confusion(true: Tensor, found: Tensor, classes: Sequence[str]) -> Matrix | None:
    """How many rows of each class are predicted as which; shaded by the share of the true class's rows.

    Args:
        true: ``[n]`` classes.
        found: ``[n]`` predicted ones.
        classes: Their names; of many the most frequent are shown, and the others as one.
    """
    if not len(true):
        return None
    true, found, names = _named(true.long(), found.long(), classes)
    k = len(names)
    counts = torch.bincount(true * k + found, minlength=k * k).view(k, k).double()
    shares = counts / counts.sum(1, keepdim=True).clamp_min(1)
    return Matrix(
        "confusion", "Confusion matrix", tuple(names), tuple(names), _tuples(counts), "predicted", "true",
        _tuples(shares), "Test rows; shaded by the share of the true class.",
    )  # fmt: skip


def _named(true: Tensor, found: Tensor, classes: Sequence[str]) -> tuple[Tensor, Tensor, list[str]]:
    """Classes by new numbers: of many the most frequent, in their order, and the others as one."""
    if len(classes) <= MOST_CLASSES:
        return true, found, list(classes)
    counts = torch.bincount(true, minlength=len(classes))
    kept = counts.argsort(descending=True, stable=True)[: MOST_CLASSES - 1].sort().values
    numbers = torch.full((len(classes),), len(kept))
    numbers[kept] = torch.arange(len(kept))
    return numbers[true], numbers[found], [*(classes[place] for place in kept.tolist()), "others"]


def _both(y: Tensor) -> bool:
    return bool((y > 0.5).any()) and bool((y <= 0.5).any())


def _counts(p: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Positive, negative and all rows with at least each predicted probability, the highest first."""
    score, order = p.double().sort(descending=True)
    hits = (y[order] > 0.5).double().cumsum(0)
    last = torch.cat([score[1:] != score[:-1], torch.ones(1, dtype=torch.bool)])  # rows of one score are found together
    found = torch.arange(1, len(score) + 1).double()[last]
    return hits[last], found - hits[last], found


def _at(p: Tensor, threshold: float, curve: Tensor) -> tuple[Curve, ...]:
    """The point of a curve, which has one for every distinct probability, where rows above a threshold are positive."""
    above = int((p.unique() > threshold).sum())
    if above == 0:
        return ()
    x, y = curve[above - 1].tolist()
    return (Curve(f"threshold {threshold:.3g}", ((x, y),), role="mark"),)


def _thinned(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Some of many points: those that are far apart along the curve."""
    if len(points) <= MOST_POINTS:
        return points
    curve = torch.tensor(points, dtype=torch.float64)
    way = torch.cat([torch.zeros(1), (curve[1:] - curve[:-1]).abs().sum(1).cumsum(0)])
    places = torch.searchsorted(way, torch.linspace(0, float(way[-1]), MOST_POINTS)).clamp_max(len(points) - 1)
    return tuple(points[place] for place in places.unique().tolist())


def _threshold_note(threshold: float) -> str:
    return f"Marked: where the positive class is predicted, at a probability of {threshold:.3g} on."


def _tuples(values: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())
