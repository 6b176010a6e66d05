"""Losses of a task's own: known values, sums with weights, and refusals."""

from __future__ import annotations

import math

import pytest
import torch

from polytask import MultiTaskModel, Task, UserError
from polytask.task import KINDS
from polytask.task.losses import brier_of_classes
from small_training import train

OUTPUTS, TARGETS = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 1.0])


def test_focal_loss_is_cross_entropy_times_what_is_left_squared():
    chance = torch.sigmoid(OUTPUTS)
    expected = -((1 - chance) ** 2) * chance.log()
    torch.testing.assert_close(KINDS["binary"].losses["focal"](OUTPUTS, TARGETS), expected)


def test_the_brier_score_of_two_classes_is_twice_that_of_the_positive_one():
    logits = torch.stack([torch.zeros(2), OUTPUTS], -1)
    torch.testing.assert_close(brier_of_classes(logits, TARGETS), 2 * KINDS["binary"].losses["brier"](OUTPUTS, TARGETS))


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.losses])
def test_every_loss_is_least_at_the_truth(kind):
    for loss in KINDS[kind].losses.values():
        if kind == "multiclass":
            good, bad, target = torch.tensor([[9.0, -9.0]]), torch.tensor([[0.0, 0.5]]), torch.tensor([0.0])
        else:
            good, bad, target = torch.tensor([9.0 if kind == "binary" else 1.0]), torch.tensor([0.2]), torch.ones(1)
        assert 0 <= loss(good, target) < loss(bad, target)


def test_several_losses_are_one_for_balancing_and_tasks_with_other_losses_are_computed_separately():
    tasks = (Task("y", kind="regression", losses={"squared": 1, "absolute": 0.5}), Task("z", kind="regression"))
    model = MultiTaskModel(torch.nn.Linear(5, 4), tasks)
    assert [group.tasks for group in model.heads.groups] == [(0,), (1,)]
    loss = tasks[0].definition.loss(torch.tensor([3.0]), torch.tensor([1.0]))
    assert loss.tolist() == [5.0]
    result = train(model=model, settings={"steps": 8})
    assert all(math.isfinite(value) for value in result.history[-1].losses.values())


def test_losses_survive_being_stored():
    task = Task("y", kind="regression", losses={"huber": 2})
    assert Task("y", kind="regression", losses=[["huber", 2.0]]) == task and hash(task)


@pytest.mark.parametrize(
    ("kind", "losses", "message"),
    [
        ("regression", {"hubr": 1}, "no loss 'hubr'; did you mean 'huber'"),
        ("binary", {"focal": 0}, "the weight of focal must be more than 0"),
        ("ranking", {"focal": 1}, "a ranking task has its own loss only"),
    ],
)
def test_mistakes_are_named(kind, losses, message):
    with pytest.raises(UserError, match=message):
        Task("y", kind=kind, losses=losses)
