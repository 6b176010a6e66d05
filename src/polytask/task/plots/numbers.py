"""Plots of predicted numbers: beside the true ones, and how the errors are distributed."""

from __future__ import annotations

import torch
from torch import Tensor

from .chart import Curve, Graph, points_of

#: Rows that are drawn one by one.
MOST_POINTS = 240
#: Groups of equally many rows that errors are summarised in.
BINS = 10


def predicted_and_true(p: Tensor, y: Tensor) -> Graph | None:
    """True against predicted values of some rows.

    Args:
        p: ``[n]`` predictions in units of the labels.
        y: ``[n]`` labels.
    """
    if not len(p):
        return None
    some = torch.arange(0, len(p), max(1, -(-len(p) // MOST_POINTS)))
    low, high = float(torch.minimum(p.min(), y.min())), float(torch.maximum(p.max(), y.max()))
    lines = (Curve("perfect", ((low, low), (high, high)), role="reference"),
             Curve("rows", points_of(p[some], y[some]), role="points"))  # fmt: skip
    note = f"{len(some):,} of {len(p):,} test rows." if len(some) < len(p) else ""
    return Graph("predicted_true", "Predicted and true", "predicted", "true", lines, note=note)


def residuals(p: Tensor, y: Tensor) -> Graph | None:
    """True minus predicted: the median, and between which values 8 of 10 rows are, in groups by prediction.

    Example:
        >>> p = torch.linspace(0, 1, 101)
        >>> residuals(p, p + 1).lines[1].points[0][1]
        1.0
    """
    if not len(p):
        return None
    order = p.argsort(stable=True)
    groups = [rows for rows in order.tensor_split(min(BINS, max(1, len(p) // 5))) if len(rows)]
    levels = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    spread = [torch.quantile((y[rows] - p[rows]).double(), levels).tolist() for rows in groups]
    at = [float(p[rows].double().mean()) for rows in groups]
    lines = (
        Curve("no error", ((at[0], 0.0), (at[-1], 0.0)), role="reference"),
        Curve("median error", tuple((x, middle) for x, (_, middle, _) in zip(at, spread, strict=True)),
             tuple((low, high) for low, _, high in spread)),
    )  # fmt: skip
    return Graph("residuals", "Errors by prediction", "predicted", "true minus predicted", lines,
                 note="Bars cover 80 % of the rows of each bin; bins have equal numbers of rows.")  # fmt: skip
