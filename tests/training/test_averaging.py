"""The moving average of parameters is what its formula says, and it is what a training evaluates and returns."""

from __future__ import annotations

import torch
from torch import nn

from polytask import Callback
from polytask.training import Evaluation, Training
from polytask.training.averaging import AveragedModel
from small_training import make_model, train


def test_average_follows_its_recursion_and_buffers_are_copied() -> None:
    model = nn.BatchNorm1d(2)
    averaged = AveragedModel(model, decay=0.75)
    with torch.no_grad():
        model.weight.fill_(5.0)
        model.running_mean.fill_(3.0)
    averaged.update()
    assert averaged.model.weight.tolist() == [2.0, 2.0]
    assert averaged.model.running_mean.tolist() == [3.0, 3.0]


def test_a_training_evaluates_and_returns_the_average() -> None:
    seen = []

    class Compare(Callback):
        def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
            assert training.evaluated is not training.model
            seen.append({name: value.clone() for name, value in training.evaluated.state_dict().items()})

    result = train(Compare(), model=make_model(norm=True), settings={"ema": 0.9})
    returned = result.model.state_dict()
    assert any(all(torch.equal(returned[name], state[name]) for name in state) for state in seen)
