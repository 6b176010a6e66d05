"""Tasks that learn from soft labels; losses below 0; steps without weight; calls that are missing."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import Tensor

import polytask as pt
from balancing.cases import TASKS, Net, batch, gradients, make, step
from polytask.balancing import BALANCERS, Balancer, TaskLosses

ADAPTING = [name for name, method in BALANCERS.items() if method.adapts]


def after_switch(name: str, scale: float, switched: tuple[int, ...] = (1,)) -> tuple[Tensor, Net, Balancer]:
    """Weights of a step after some tasks switched, whose losses are multiplied by ``scale`` from then on."""
    net, balancer = Net(), make(name)
    balancer.bind(TASKS)
    for seed in range(1, 4):
        step(net, balancer, batch(seed))
    balancer.observe_metrics({"a": 0.3, "b": 0.9, "c": 0.3})
    balancer.end_epoch()
    for task in switched:
        balancer.task_switched(task)
    for seed in range(4, 9):
        net.zero_grad()
        x, y = batch(seed)
        factors = [scale if i in switched else 1.0 for i in range(3)]

        def losses(net: Net = net, x: Tensor = x, y: Tensor = y, factors: list[float] = factors) -> dict[str, Tensor]:
            found = net.losses(x, y)[1]
            return {task: factor * loss for factor, (task, loss) in zip(factors, found.items(), strict=True)}

        weights = balancer.backward(losses(), shared=net.trunk.parameters())
        if balancer.needs.second_forward:
            balancer.after_step(losses)
        balancer.end_epoch()
    return weights, net, balancer


@pytest.mark.parametrize("name", ADAPTING)
def test_the_size_of_a_soft_loss_means_nothing(name: str) -> None:
    (plain, *_), (small, net, _) = after_switch(name, 1.0), after_switch(name, 1e-6)
    torch.testing.assert_close(small[[0, 2]], plain[[0, 2]], rtol=1e-4, atol=1e-6)
    assert small[[0, 2]].sum() >= 0.5 * (2 / 3) * small.sum() - 1e-6  # half of the share of two tasks among three
    assert gradients(net.heads[1]).abs().sum() > 0  # it still learns


@pytest.mark.parametrize("name", BALANCERS)
def test_all_tasks_switched(name: str) -> None:
    weights, net, _ = after_switch(name, 1e-6, (0, 1, 2))
    assert torch.isfinite(weights).all() and (weights >= 0).all() and weights.max() < 100
    assert gradients(net.trunk).abs().sum() > 0


@pytest.mark.parametrize("name", ADAPTING)
def test_a_task_that_is_taken_back_takes_part(name: str) -> None:
    _, net, balancer = after_switch(name, 1e-6)
    balancer.task_reopened(1)
    net.zero_grad()
    weights = step(net, balancer, batch(9))
    assert torch.isfinite(weights).all() and not balancer.switched.any()
    assert balancer.took_part.all() or balancer.gramian is None


@pytest.mark.parametrize("name", BALANCERS)
def test_switches_are_in_the_state_and_old_state_loads(name: str) -> None:
    _, net, balancer = after_switch(name, 1e-6)
    again = make(name)
    again.bind(TASKS)
    again.load_state_dict(copy.deepcopy(balancer.state_dict()))
    assert torch.equal(step(copy.deepcopy(net), again, batch(9)), step(net, balancer, batch(9)))
    old = {key: value for key, value in balancer.state_dict().items() if key not in balancer.newer}
    fresh = make(name)
    fresh.bind(TASKS)
    fresh.load_state_dict(old)
    assert not fresh.switched.any()


@pytest.mark.parametrize("name", BALANCERS)
def test_all_tasks_that_switch_after_the_state_was_saved(name: str) -> None:
    net, balancer = Net(), make(name)
    for seed in range(3):
        step(net, balancer, batch(seed))
    again = make(name)
    step(net, again, (10 * batch()[0], batch()[1]))
    again.load_state_dict(copy.deepcopy(balancer.state_dict()))
    for one in (balancer, again):
        for task in range(len(TASKS)):
            one.task_switched(task)
    assert torch.equal(*(step(net, one, batch(9)) for one in (again, balancer)))


def test_binding_forgets_the_weights_of_the_last_step() -> None:
    balancer = make("static", values={"a": 3.0, "b": 5.0, "c": 7.0})
    balancer.adapts = True
    step(Net(), balancer, batch())
    balancer.bind(TASKS)
    balancer.task_switched(0)
    assert balancer.soft_weight == 1


@pytest.mark.parametrize("name", BALANCERS)
def test_losses_below_zero(name: str) -> None:
    """Refused by methods that need positive ones, in the step in which they come; others go on."""
    net, balancer = Net(), make(name)
    balancer.bind(TASKS)
    step(net, balancer, batch())
    features, losses = net.losses(*batch(2))
    losses["b"] = losses["b"] - 100
    if balancer.needs.losses == "positive":
        with pytest.raises(pt.UserError, match="'b'"):
            balancer.backward(losses, shared=net.trunk.parameters(), features=features)
    else:
        weights = balancer.backward(losses, shared=net.trunk.parameters(), features=features)
        assert torch.isfinite(weights).all() and weights.abs().max() < 100


def test_famo_takes_a_lower_bound_by_task() -> None:
    net, balancer = Net(), make("famo", lower_bound={"b": -200.0})
    _, losses = net.losses(*batch())
    balancer.backward(losses | {"b": losses["b"] - 100})
    with pytest.raises(pt.UserError, match="'z' is not a task"):
        make("famo", lower_bound={"z": 0.0}).bind(TASKS)


@pytest.mark.parametrize("name", BALANCERS)
def test_a_step_without_weight_is_left_out(name: str) -> None:
    net, balancer = Net(), make(name)
    balancer.bind(TASKS)
    step(net, balancer, batch())
    before, steps = copy.deepcopy(balancer.state_dict()), balancer.steps
    net.zero_grad()
    features, losses = net.losses(*batch(2))
    values = torch.stack(list(losses.values())) * 0
    nothing = TaskLosses(values, values.detach(), torch.zeros(3), complete=False)
    weights = balancer.backward(nothing, shared=list(net.trunk.parameters()), features=features)
    assert weights.tolist() == [0, 0, 0] and gradients(net).abs().sum() == 0 and balancer.steps == steps
    assert all(
        torch.equal(value.nan_to_num(), before[key].nan_to_num()) for key, value in balancer.state_dict().items()
    )


@pytest.mark.parametrize(("name", "call"), [("dwa", "end_epoch"), ("famo", "after_step"), ("dtp", "observe_metrics")])
def test_a_missing_call_is_reported_once(name: str, call: str) -> None:
    net, x = Net(), batch()
    for called in (False, True):
        balancer = make(name)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            for _ in range(300):
                losses = {task: loss.detach().requires_grad_() for task, loss in net.losses(*x)[1].items()}
                balancer.backward(losses)
                if called and call == "after_step":
                    balancer.after_step(lambda losses=losses: losses)
                elif called:
                    getattr(balancer, call)(*([{"a": 0.5}] if call == "observe_metrics" else []))
        assert [call in str(warning.message) for warning in heard] == ([] if called else [True])


@pytest.mark.parametrize("name", BALANCERS)
def test_repr_makes_the_same_balancer(name: str) -> None:
    balancer = make(name)
    again = eval(repr(balancer), vars(pt.balancing))
    assert type(again) is type(balancer) and repr(again) == repr(balancer)


def test_weights_answer_to_names() -> None:
    weights = step(Net(), make("uw"), batch())
    assert weights["b"] == 0.5 and dict(weights) == dict.fromkeys(TASKS, 0.5)  # type: ignore[call-overload]
    assert type(weights * 2) is Tensor and copy.deepcopy(weights).tolist() == weights.tolist()
