"""Frozen parts: no gradient, evaluation mode, bit-identical, also over an interruption and where a schedule ends."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from polytask import UserError
from polytask.balancing import GradNorm
from polytask.config import Freeze
from polytask.training import Frozen
from small_training import TASKS, Interrupt, assert_same_result, make_model, train


def state(model, prefix=""):
    return {name: value.clone() for name, value in model.state_dict().items() if name.startswith(prefix)}


def same(before, after, prefix=""):
    return [name for name in before if name.startswith(prefix) and not torch.equal(before[name], after[name])]


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("part", ["encoder", "shared", "encoder.*"])
def test_a_frozen_encoder_is_bit_identical_with_its_normalisation(part, ema):
    model = make_model(norm=True, dropout=0.5)
    before = state(model)
    train(model=model, settings={"freeze": (part,), "weight_decay": 0.1, "ema": ema})
    assert same(before, state(model), "encoder") == []
    assert same(before, state(model), "heads")
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_dropout_and_normalisation_of_a_frozen_part_are_in_evaluation_mode():
    model = make_model(norm=True, dropout=0.5)
    frozen = Frozen(model, ["encoder"])
    model.train()
    frozen.at(0)
    x = torch.randn(9, 5)
    assert torch.equal(model(x)["spam"], model(x)["spam"])
    assert model.training and not model.encoder.training and not any(m.training for m in model.encoder)


def test_a_frozen_layer_leaves_the_others_training():
    model = make_model(norm=True)
    before = state(model)
    train(model=model, settings={"freeze": ("encoder.0", "encoder.1")})
    assert same(before, state(model), "encoder.0") == same(before, state(model), "encoder.1") == []
    assert same(before, state(model), "encoder.4")


def test_the_head_of_a_frozen_task_stays_with_every_optimiser():
    for optimizer in ("adam", "adamw", "sgd"):
        model = make_model()
        heads = model.heads
        before = heads.wide.weight.detach().clone()
        train(model=model, settings={"freeze": ("task.price",), "optimizer": optimizer, "weight_decay": 0.1})
        rows = heads.task_rows(1)
        assert torch.equal(heads.wide.weight[rows], before[rows])
        assert not torch.equal(heads.wide.weight[heads.task_rows(0)], before[heads.task_rows(0)])


def test_a_part_that_is_frozen_until_an_epoch_trains_from_then_on():
    """96 rows in batches of 20: five steps are an epoch."""
    for steps, moved in ((10, False), (11, True)):
        model = make_model(norm=True)
        before = state(model)
        train(model=model, settings={"freeze": (Freeze("encoder", until=2),), "steps": steps, "evaluate_every": steps})
        assert bool(same(before, state(model), "encoder")) == moved


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path):
    settings = {"freeze": (Freeze("encoder", until=3), "task.spam"), "parts": {}, "checkpoint_seconds": 0.0}
    whole = train(model=make_model(norm=True, dropout=0.3), settings=settings)
    for step in (7, 22):
        folder = tmp_path / str(step)
        with pytest.raises(KeyboardInterrupt):
            train(Interrupt(step), model=make_model(norm=True, dropout=0.3), settings=settings, folder=folder)
        resumed = train(Interrupt(), model=make_model(norm=True, dropout=0.3), settings=settings, folder=folder)
        assert_same_result(whole, resumed, callbacks=False)


@pytest.mark.parametrize(
    ("freeze", "balancer", "message"),
    [
        (("encodr",), None, "freeze: the network has no part 'encodr'; did you mean 'encoder'?"),
        (("task.spm",), None, "freeze: the network has no part 'task.spm'; did you mean 'task.spam'?"),
        (("encoder", "heads"), None, "freeze: nothing of the network is left to train"),
        (("encoder",), GradNorm(), "freeze: balancer 'gradnorm' uses gradients of the shared part"),
    ],
)
def test_what_cannot_be_frozen_is_reported(freeze, balancer, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        train(settings={"freeze": freeze}, balancer=balancer)


def test_what_the_user_froze_stays_frozen():
    model = make_model()
    model.encoder[0].requires_grad_(False)
    train(model=model, settings={"freeze": (Freeze("encoder.3", until=1),)})
    assert [p.requires_grad for p in model.encoder.parameters()] == [False, False, True, True]


def test_frozen_in_a_loop_of_one_s_own():
    model = make_model(norm=True)
    frozen = Frozen(model, ["encoder", Freeze("task.click", until=1)])
    before = state(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        model.train()
        frozen.at(epoch=0)
        sum(output.square().sum() for output in model(torch.randn(8, 5)).values()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert same(before, state(model), "encoder") == []
    assert isinstance(model.encoder[1], nn.BatchNorm1d) and len(TASKS) == 4
