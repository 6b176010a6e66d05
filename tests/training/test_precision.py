"""Devices and numbers of a training without a wrapper around it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from polytask import UserError
from polytask.training.precision import Precision, chosen_device

CPU = torch.device("cpu")


def test_a_missing_gpu_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_device("auto") == CPU
    with pytest.raises(UserError, match="no GPU"):
        chosen_device("cuda")


@pytest.mark.parametrize(("name", "dtype"), [("32", torch.float32), ("bf16", torch.bfloat16), ("16", torch.bfloat16)])
def test_a_cpu_computes_half_precision_as_bf16_and_scales_nothing(name: str, dtype: torch.dtype) -> None:
    precision, layer = Precision(name, CPU), nn.Linear(2, 1)
    with precision.autocast():
        assert layer(torch.ones(1, 2)).dtype == dtype
    assert precision.scale == 1 and precision.state_dict() == {}


def test_half_precision_scales_gradients_and_leaves_out_a_step_that_overflows() -> None:
    precision, weight = Precision("32", CPU), nn.Parameter(torch.tensor([1.0]))
    precision._scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    optimizer = torch.optim.SGD([weight], lr=0.5)
    precision.backward((3 * weight).sum())
    assert weight.grad == 24 and precision.scale == 8
    precision.clip([weight], optimizer, 1.5)
    torch.testing.assert_close(weight.grad, torch.tensor([1.5]))
    precision.step(optimizer)
    torch.testing.assert_close(weight.detach(), torch.tensor([0.25]))
    optimizer.zero_grad()
    precision.backward((weight * float("inf")).sum())
    precision.step(optimizer)
    assert weight.item() == pytest.approx(0.25, abs=1e-5) and precision.scale == 4
    again = Precision("32", CPU)
    again._scaler = torch.amp.GradScaler("cpu")
    again.load_state_dict(precision.state_dict())
    assert again.scale == 4
