"""Weights of a trained model for the start of another."""

from __future__ import annotations

import pytest
import torch

from polytask import MultiTaskModel, Task, UserError
from polytask.models import take_over
from small_training import INPUTS, TASKS, make_model


def test_outputs_are_those_of_the_source():
    source = make_model(norm=True)
    source(torch.randn(64, INPUTS))  # running statistics of its own
    inputs = torch.randn(9, INPUTS)
    for chosen in (TASKS[2:], (TASKS[3], TASKS[0], TASKS[1]), TASKS):
        model = make_model(chosen, norm=True)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
        take_over(model, source)
        ours, theirs = model.eval()(inputs), source.eval()(inputs)
        for task in chosen:
            torch.testing.assert_close(ours[task.name], theirs[task.name])


def test_the_models_share_no_memory():
    source, model = make_model(), make_model(TASKS[:2])
    take_over(model, source)
    before = {name: value.clone() for name, value in source.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())


def test_what_cannot_be_taken_over():
    with pytest.raises(UserError, match="no weights for click"):
        take_over(make_model(), make_model(TASKS[:3]))
    layers = torch.nn.Sequential(torch.nn.Linear(INPUTS, 8), torch.nn.ReLU())
    mixed = MultiTaskModel(layers, [Task("spam"), Task("click")], sharing="mmoe")
    with pytest.raises(UserError, match="hard and mmoe"):
        take_over(make_model(TASKS[:1]), mixed)
