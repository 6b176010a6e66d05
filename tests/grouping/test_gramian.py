"""Affinity to first order where shared parameters have learning rates of their own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from polytask.balancing import TaskLosses
from polytask.grouping.affinity.estimators import ESTIMATORS, Moment


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.1, 0.001)])
def test_every_parameter_counts_with_its_own_rate(rates):
    low, high = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [low], "lr": rates[0]}, {"params": [high], "lr": rates[1]}])
    model = SimpleNamespace(shared_parameters=lambda: [low, high])
    losses = TaskLosses.from_mapping({"a": low.sum() * high[0], "b": (low**2).sum() + high[0]}, ["a", "b"])
    sample = ESTIMATORS["gramian"]().after_forward(Moment(model, optimizer, None, lambda: losses, 0), None, losses)
    # Gradients: a has (3, 3 | 3), b has (2, 4 | 1); losses are 9 and 8.
    products = torch.tensor([[18.0, 18.0], [18.0, 20.0]]) * rates[0] + torch.tensor([[9.0, 3.0], [3.0, 1.0]]) * rates[1]
    torch.testing.assert_close(sample.affinity, products / torch.tensor([9.0, 8.0]))
    torch.testing.assert_close(sample.gramian, torch.tensor([[27.0, 21.0], [21.0, 21.0]]))  # of the gradients alone
