"""Parameters that have no size yet, and those that no training takes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import polytask as pt

X = torch.randn(40, 6)
LABELS = {"a": X[:, 0], "b": X.sum(1)}
TASKS = [pt.Task("a", "regression"), pt.Task("b", "regression")]
QUICK = pt.TrainingSettings(steps=6)


class Complex(nn.Module):
    out_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 8, dtype=torch.cfloat))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.to(torch.cfloat) @ self.weight).abs()


def test_lazy_layers_find_their_sizes_from_the_data() -> None:
    def make() -> pt.MultiTaskModel:
        torch.manual_seed(0)
        return pt.MultiTaskModel(nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU()), TASKS)

    model = make()
    pt.fit(model, train=(X, LABELS), validation=(X, LABELS), settings=QUICK)
    assert model.encoder[0].weight.shape == (8, 6)
    assert pt.measure_affinity(make(), train=(X, LABELS), settings=QUICK, every=1).matrix.shape == (2, 2)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (
            lambda: nn.Sequential(nn.Embedding(5, 8, sparse=True), nn.Flatten(), nn.Linear(48, 8)),
            "encoder.0 has sparse=T",
        ),
        (Complex, "encoder.weight is complex.*view_as_real"),
    ],
)
def test_what_no_training_takes_is_refused_with_the_remedy(encoder, message) -> None:  # type: ignore[no-untyped-def]
    for run in (
        lambda model: pt.fit(model, train=(X, LABELS), validation=(X, LABELS), settings=QUICK),
        lambda model: pt.measure_affinity(model, train=(X, LABELS), settings=QUICK),
    ):
        with pytest.raises(pt.UserError, match=message):
            run(pt.MultiTaskModel(encoder(), TASKS))


def test_frozen_encoders_train_their_heads_and_have_no_affinity() -> None:
    model = pt.MultiTaskModel(nn.Linear(6, 8).requires_grad_(False), TASKS)
    before = [parameter.clone() for parameter in (model.encoder.weight, model.heads.wide.weight)]
    pt.fit(model, train=(X, LABELS), validation=(X, LABELS), settings=QUICK)
    assert torch.equal(before[0], model.encoder.weight) and not torch.equal(before[1], model.heads.wide.weight)
    with pytest.raises(pt.UserError, match="frozen"):
        pt.measure_affinity(model, train=(X, LABELS), settings=QUICK)
    with pytest.raises(pt.UserError, match="frozen"):
        pt.fit(model, train=(X, LABELS), validation=(X, LABELS), settings=QUICK, balancer=pt.balancing.UPGrad())
