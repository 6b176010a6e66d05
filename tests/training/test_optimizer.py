"""A task without a label in a step: its head and the optimiser's state for it stay as they are."""

import pytest
import torch

from polytask.config import TrainingSettings
from polytask.training.optimizer import absent_tasks_kept, make_optimizer
from small_training import TASKS, make_model

METHODS = ["adam", "adamw", "sgd"]
ABSENT = (0, 2)


def step(model, optimizer, absent=()):
    """One step on all outputs of the tasks that are present."""
    outputs = model(torch.randn(6, 5))
    present = [task.name for position, task in enumerate(TASKS) if position not in absent]
    sum(outputs[name].square().sum() for name in present).backward()
    with absent_tasks_kept(optimizer, [part for task in absent for part in model.task_parameters(task)]):
        optimizer.step()
    optimizer.zero_grad()


def heads_and_state(model, optimizer, tasks):
    """Copies of the head rows of some tasks and all that the optimiser holds for them."""
    found = []
    for parameter in model.heads.wide.parameters():
        state = [value for value in optimizer.state[parameter].values() if getattr(value, "shape", ()) != ()]
        tensors = [parameter.detach(), *state]
        found += [tensor[model.heads.task_rows(task)].clone() for task in tasks for tensor in tensors]
    return found


@pytest.fixture(params=METHODS)
def training(request):
    model = make_model()
    settings = TrainingSettings(optimizer=request.param, weight_decay=0.1, learning_rate=0.05)
    return model, make_optimizer(model.parameters(), settings)


def test_head_and_state_of_an_absent_task_are_unchanged(training):
    model, optimizer = training
    for _ in range(3):
        step(model, optimizer)
    before = heads_and_state(model, optimizer, ABSENT)
    step(model, optimizer, ABSENT)
    assert all(map(torch.equal, before, heads_and_state(model, optimizer, ABSENT)))


def test_a_task_that_is_absent_at_the_first_step_keeps_its_head_and_starts_from_zero_state(training):
    model, optimizer = training
    rows = [model.heads.wide.weight[model.heads.task_rows(task)].clone() for task in ABSENT]
    step(model, optimizer, ABSENT)
    for task, expected in zip(ABSENT, rows, strict=True):
        head = model.heads.wide.weight[model.heads.task_rows(task)]
        assert torch.equal(head, expected)
    weight_state = optimizer.state[model.heads.wide.weight].values()
    moments = [value for value in weight_state if getattr(value, "shape", ()) != ()]
    assert moments
    assert all(value[model.heads.task_rows(task)].eq(0).all() for value in moments for task in ABSENT)


def test_present_tasks_and_the_shared_part_train_as_without_the_guard(training):
    model, optimizer = training
    step(model, optimizer)
    before = heads_and_state(model, optimizer, (1, 3)) + [p.clone() for p in model.encoder.parameters()]
    step(model, optimizer, ABSENT)
    after = heads_and_state(model, optimizer, (1, 3)) + list(model.encoder.parameters())
    assert not any(map(torch.equal, before, after))


def test_frozen_parameters_are_not_trained():
    model = make_model()
    model.encoder.requires_grad_(False)
    optimizer = make_optimizer(model.parameters(), TrainingSettings())
    assert len(optimizer.param_groups[0]["params"]) == 2


def test_parameters_with_a_factor_have_a_learning_rate_of_their_own():
    layers = [torch.nn.Linear(2, 2, bias=False) for _ in range(3)]
    factors = {layers[0].weight: 0.1, layers[1].weight: 0.1}
    found = make_optimizer([layer.weight for layer in layers], TrainingSettings(learning_rate=0.5), factors)
    assert [(group["lr"], len(group["params"])) for group in found.param_groups] == [(0.05, 2), (0.5, 1)]


def test_a_parameter_whose_first_gradient_comes_later_has_the_plain_momentum():
    first, late = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = make_optimizer([first, late], TrainingSettings(optimizer="sgd", learning_rate=0.1, momentum=0.5))
    first.grad = torch.ones(3)
    optimizer.step()
    late.grad = torch.ones(3)
    optimizer.step()
    torch.testing.assert_close(late.data, torch.full((3,), 0.9))
    torch.testing.assert_close(first.data, torch.full((3,), 1 - 0.1 - 0.15))
