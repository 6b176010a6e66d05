"""What influences have to be, for the tests of every metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from polytask.task import Metric


def same_as_leaving_out(metric: Metric, p: Tensor, y: Tensor, **options: Any) -> None:
    """The influence of every row is what the metric loses without it."""
    n = len(y)
    value = lambda keep: float(metric.value(p[keep], y[keep], **options))  # noqa: E731
    rows, whole = torch.arange(n), value(torch.arange(n))
    left_out = torch.tensor([(n - 1) * (whole - value(rows[rows != i])) for i in range(n)], dtype=torch.float64)
    assert metric.influence is not None
    found = metric.influence(p, y, **options)
    assert abs(float(found.mean())) < 1e-6
    assert torch.corrcoef(torch.stack([found, left_out]))[0, 1] > 0.995
    assert torch.allclose(found.std(), left_out.std(), rtol=0.05)
