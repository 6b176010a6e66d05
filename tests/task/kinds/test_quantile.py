"""Quantiles by the pinball loss: against scikit-learn, in order, and learned where they are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from polytask.task import Task
from polytask.task.kinds.quantile import KIND, MIDDLE, QUANTILES, pinball


def test_the_loss_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    y, p = draw.normal(size=50), np.sort(draw.normal(size=(50, 5)), 1)
    expected = np.mean([2 * mean_pinball_loss(y, p[:, k], alpha=share) for k, share in enumerate(QUANTILES)])
    assert float(pinball(torch.from_numpy(p), torch.from_numpy(y)).mean()) == pytest.approx(expected)


def test_quantiles_never_cross_and_outputs_are_found_again() -> None:
    outputs = 3 * torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    predictions = KIND.predict(outputs)
    assert bool((predictions.diff(dim=-1) > 0).all())
    assert torch.allclose(KIND.predict(KIND.outputs_of(predictions)), predictions, atol=1e-4)
    assert torch.allclose(KIND.average([outputs, outputs]), outputs, atol=1e-2)


def test_the_quantiles_of_noise_are_learned() -> None:
    draw = torch.Generator().manual_seed(0)
    y = torch.randn(4000, generator=draw)
    outputs = torch.zeros(5, requires_grad=True)
    optimizer = torch.optim.Adam([outputs], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        KIND.loss(outputs.expand(4000, 5), y).mean().backward()
        optimizer.step()
    found = KIND.predict(outputs.detach())
    assert torch.allclose(found, torch.quantile(y, torch.tensor(QUANTILES)), atol=0.05)


def test_columns_and_metrics_are_in_units_of_the_labels() -> None:
    task = Task("price", kind="quantile", center=100.0, scale=10.0)
    predictions = torch.tensor([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    columns = KIND.columns(task, predictions, [])
    assert {name: values.tolist() for name, values in columns.items()} == {  # type: ignore[union-attr]
        "price": [100.0], "price_q05": [80.0], "price_q25": [90.0], "price_q50": [100.0], "price_q75": [110.0],
        "price_q95": [120.0],
    }  # fmt: skip
    metric = task.defined_metric("median_mae")
    targets, unit = task.measured_targets(torch.tensor([0.5]), metric)
    assert metric(predictions, targets) * unit == 5.0
    assert KIND.labels(predictions).tolist() == [0.0] and MIDDLE == 2
