"""What influences have to be, for the tests of every metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from polytask.task import Metric


def same_as_leaving_out(metric: Metric, p: Tensor, y: Tensor, **options: Any) -> None:
    """The influence of a row is what the metric loses without it, tried for a third of the rows."""
    n, tried = len(y), torch.randperm(len(y), generator=torch.Generator().manual_seed(0))[: len(y) // 3]
    value = lambda keep: float(metric.value(p[keep], y[keep], **options))  # noqa: E731
    rows, whole = torch.arange(n), value(torch.arange(n))
    left_out = torch.tensor([(n - 1) * (whole - value(rows[rows != i])) for i in tried], dtype=torch.float64)
    assert metric.influence is not None
    found = metric.influence(p, y, **options)
    assert abs(float(found.mean())) < 1e-6
    assert torch.corrcoef(torch.stack([found[tried], left_out]))[0, 1] > 0.995
    assert torch.allclose(found[tried].std(), left_out.std(), rtol=0.05)
