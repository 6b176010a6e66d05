"""State that is loaded before the first step stays, whoever says which tasks there are."""

from __future__ import annotations

import pytest
import torch

import polytask as pt
from balancing.cases import TASKS, Net, batch, make, step
from polytask.balancing import BALANCERS


def _used(name: str, steps: int = 3) -> pt.balancing.Balancer:
    net, balancer = Net(), make(name)
    for seed in range(steps):
        step(net, balancer, batch(seed))
        balancer.observe_metrics({"a": 0.1 * seed, "b": 0.5})
        balancer.end_epoch()
    return balancer


@pytest.mark.parametrize("name", BALANCERS)
def test_a_balancer_that_was_never_bound_continues_as_the_one_that_was_saved(name: str) -> None:
    saved = _used(name)
    loaded = make(name)
    loaded.load_state_dict(saved.state_dict())
    assert loaded.tasks == saved.tasks and loaded.steps == saved.steps
    for key, value in saved.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value, rtol=0, atol=0, equal_nan=True)
    losses = [step(net, balancer, batch(9)) for net, balancer in ((Net(), saved), (Net(), loaded))]
    torch.testing.assert_close(*losses, rtol=0, atol=0, equal_nan=True)


def test_state_of_a_balancer_inside_a_module_comes_with_the_module() -> None:
    module, fresh = torch.nn.Module(), torch.nn.Module()
    module.balancer, fresh.balancer = _used("uw"), make("uw")
    fresh.load_state_dict(module.state_dict())
    assert torch.equal(fresh.balancer.log_variance, module.balancer.log_variance)


def test_state_of_other_tasks_is_refused() -> None:
    other = make("uw")
    other.bind(TASKS[::-1])
    with pytest.raises(pt.UserError, match="the same tasks in the same order"):
        other.load_state_dict(_used("uw").state_dict())


def test_state_that_holds_only_the_number_of_steps_is_read() -> None:
    saved = _used("uw").state_dict()
    saved["_extra_state"] = torch.tensor(7)
    loaded = make("uw")
    loaded.bind(TASKS)
    loaded.load_state_dict(saved)
    assert loaded.steps == 7


@pytest.mark.parametrize("name", BALANCERS)
def test_binding_resets_the_state(name: str) -> None:
    used, fresh = _used(name), make(name)
    for balancer in (used, fresh):
        balancer.bind(TASKS)
    for key, value in fresh.state_dict().items():
        torch.testing.assert_close(used.state_dict()[key], value, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(("name", "memory"), [("db_mtl", "mean"), ("excess_mtl", "sums")])
@pytest.mark.parametrize("resumed", [False, True])
def test_layers_trained_in_turn_do_not_share_what_is_remembered(name: str, memory: str, resumed: bool) -> None:
    one, two, x = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4), torch.randn(8, 4)

    def train(balancer: pt.balancing.Balancer, first: bool) -> None:
        one.requires_grad_(first)
        two.requires_grad_(not first)
        outputs = two(one(x))
        losses = {"a": (outputs[:, 0] - 1).pow(2).mean(), "b": (outputs[:, 1] + 1).pow(2).mean()}
        balancer.backward(losses, shared=[*one.parameters(), *two.parameters()])

    used, fresh = make(name), make(name)
    for _ in range(3):
        train(used, first=True)
    if resumed:
        state, used = used.state_dict(), make(name)
        used.load_state_dict(state)
    for balancer in (used, fresh):
        train(balancer, first=False)
    after_one_step = used.state_dict()[memory].clone()
    torch.testing.assert_close(after_one_step, fresh.state_dict()[memory], rtol=1e-6, atol=1e-9)
    train(used, first=False)
    assert (used.state_dict()[memory] != after_one_step).any()
