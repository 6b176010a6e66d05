"""What a step on one task does to the losses of all: known values, and nothing else touched."""

import copy

import pytest
import torch
from torch import nn

from polytask import UserError
from polytask.balancing import TaskLosses
from polytask.grouping.affinity import (
    affinity_of_falls,
    affinity_of_gramian,
    affinity_of_losses,
    first_order_falls,
    lookahead_losses,
    untouched,
    virtual_step,
)

SLOPES = torch.tensor([[1.0, 2.0], [2.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
GOALS = torch.tensor([2.0, 1.0, -1.0], dtype=torch.float64)


def losses_of(values: torch.Tensor) -> TaskLosses:
    return TaskLosses.from_mapping(
        {str(i): value for i, value in enumerate(values)}, [str(i) for i in range(len(values))]
    )


def descend(parameters, lr: float, weight_decay: float = 0.0):
    """The lookahead by plain gradient descent."""
    return virtual_step("sgd", torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay), parameters)


class Quadratic(nn.Module):
    """``L_j = (a_j theta - b_j)^2 / 2``."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([0.5, -0.5], dtype=torch.float64))

    def losses(self) -> TaskLosses:
        return losses_of((SLOPES @ self.theta - GOALS) ** 2 / 2)


def affinity_by(model, optimizer, lookahead):
    step = virtual_step(lookahead, optimizer, [model.theta])
    before, after = lookahead_losses(model, model.losses, [model.theta], step)
    return affinity_of_losses(before.means, after).double()  # measured in float32


def numbers(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def after_two_joint_steps(kind, **options):
    """A model at the worked example's parameters, and an optimiser that has seen two joint gradients."""
    model = Quadratic()
    optimizer = kind([model.theta], lr=0.05, **options)
    start = model.theta.detach().clone()
    for gradient in ([-1.0, 0.5], [-0.5, 1.0]):
        model.theta.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    model.theta.grad = None
    model.theta.data = start
    return model, optimizer


def test_affinity_of_the_worked_example():
    model = Quadratic()
    assert model.losses().means.tolist() == [3.125, 0.125, 0.5]
    found = affinity_by(model, torch.optim.SGD([model.theta], lr=0.05), "sgd")
    expected = numbers([0.4375, 0, -0.890625], [0, 0.4375, 0.049375], [-0.1236, 0.19, 0.19])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_first_order_of_the_worked_example():
    model = Quadratic()
    losses = model.losses()
    rows = torch.stack([torch.autograd.grad(x, model.theta, retain_graph=True)[0] for x in losses.values])
    found = affinity_of_gramian(rows @ rows.T, losses.means, 0.05)
    torch.testing.assert_close(found, numbers([0.5, 0, -0.75], [0, 0.5, 0.05], [-0.12, 0.2, 0.2]))


@pytest.mark.parametrize("lookahead", ["momentum", "optimizer"])
def test_worked_example_with_momentum(lookahead):
    model, optimizer = after_two_joint_steps(torch.optim.SGD, momentum=0.9)
    assert optimizer.state[model.theta]["momentum_buffer"].tolist() == [-1.4, 1.45]
    found = affinity_by(model, optimizer, lookahead)
    expected = numbers(
        [0.396271, -0.911306, -0.884443],
        [-0.054729, -0.282556, 0.053757],
        [-0.181569, -0.644806, 0.194045],
    )
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_worked_example_with_adam():
    model, optimizer = after_two_joint_steps(torch.optim.Adam)
    found = affinity_by(model, optimizer, "optimizer")
    torch.testing.assert_close(found[0], numbers(0.070651, -0.27547, -0.138267), atol=1e-6, rtol=0)


OPTIMIZERS = [
    (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.1}),
    (torch.optim.AdamW, {"weight_decay": 0.1}),
    (torch.optim.RMSprop, {"momentum": 0.5}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 2])
def test_the_virtual_step_is_the_step_that_the_optimiser_takes(kind, options, steps):
    model, optimizer = after_two_joint_steps(kind, **options)
    if not steps:
        optimizer = kind([model.theta], lr=0.05, **options)
    gradient = numbers(2.0, -3.0)
    (virtual,) = virtual_step("optimizer", optimizer, [model.theta])([gradient])
    model.theta.grad = gradient
    optimizer.step()
    assert torch.equal(virtual, model.theta.detach())


def test_a_virtual_step_leaves_the_optimiser_as_it_is():
    model, optimizer = after_two_joint_steps(torch.optim.Adam, amsgrad=True)
    before = copy.deepcopy(optimizer.state_dict())
    affinity_by(model, optimizer, "optimizer")
    assert str(optimizer.state_dict()) == str(before)
    assert len(optimizer.state) == 1


@pytest.mark.parametrize(
    ("lookahead", "kind", "message"),
    [
        ("momentum", torch.optim.Adam, "follows an SGD with momentum, but training uses Adam"),
        ("momentum", torch.optim.SGD, "follows an SGD with momentum"),
        ("optimizer", torch.optim.LBFGS, "but training uses LBFGS; choose lookahead 'sgd'"),
        ("optimiser", torch.optim.Adam, "did you mean 'optimizer'"),
    ],
)
def test_a_lookahead_that_does_not_fit_is_refused(lookahead, kind, message):
    theta = Quadratic().theta
    with pytest.raises(UserError, match=message):
        virtual_step(lookahead, kind([theta], lr=0.1), [theta])


def test_weight_decay_is_part_of_the_step():
    model = Quadratic()
    step = descend([model.theta], 0.05, weight_decay=0.1)
    _, after = lookahead_losses(model, model.losses, [model.theta], step)
    start = model.theta.detach().clone()
    for task, slope in enumerate(SLOPES):
        gradient = slope * (slope @ start - GOALS[task])
        model.theta.data = start - 0.05 * (gradient + 0.1 * start)
        torch.testing.assert_close(after[task], model.losses().means)


def test_an_absent_task_takes_no_step():
    model = Quadratic()

    def forward():
        values = model.losses().values
        return TaskLosses.from_mapping({"0": values[0], "2": values[2]}, ["0", "1", "2"])

    _, after = lookahead_losses(model, forward, [model.theta], descend([model.theta], 0.05))
    assert after[1].isnan().all()
    assert after[[0, 2]].isfinite().all()


def test_a_loss_near_zero_gives_nan_instead_of_an_explosion():
    affinity = affinity_of_losses(torch.tensor([1.0, 1e-13]), torch.tensor([[0.5, 1.0], [1.0, 0.0]]))
    assert affinity[:, 0].tolist() == [0.5, 0.0]
    assert affinity[:, 1].isnan().all()


def test_a_shared_parameter_that_no_task_uses_is_skipped():
    model = Quadratic()
    idle = nn.Parameter(torch.ones(3))
    both = [idle, model.theta]
    _, with_idle = lookahead_losses(model, model.losses, both, descend(both, 0.05))
    _, without = lookahead_losses(model, model.losses, [model.theta], descend([model.theta], 0.05))
    assert torch.equal(with_idle, without)


class Noisy(nn.Module):
    """Batch normalisation, dropout and two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5))
        self.heads = nn.Linear(6, 2)
        self.inputs = torch.randn(8, 3)

    def losses(self) -> TaskLosses:
        return losses_of(self.heads(self.body(self.inputs)).square().mean(0))


@pytest.fixture
def noisy() -> Noisy:
    torch.manual_seed(0)
    return Noisy()


def test_a_probe_leaves_parameters_buffers_and_random_state_bit_identical(noisy):
    before = {name: value.clone() for name, value in noisy.state_dict().items()}
    random = torch.get_rng_state()
    shared = list(noisy.body.parameters())
    lookahead_losses(noisy, noisy.losses, shared, descend(shared, 0.1))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in noisy.state_dict().items())
    assert all(parameter.grad is None for parameter in noisy.parameters())


def test_all_forward_passes_of_a_probe_drop_the_same_units(noisy):
    shared = list(noisy.body.parameters())
    before, after = lookahead_losses(noisy, noisy.losses, shared, descend(shared, 0.0))
    assert torch.equal(after, before.means.expand(2, 2))


def test_a_probe_that_fails_leaves_no_trace(noisy):
    before = {name: value.clone() for name, value in noisy.state_dict().items()}
    with pytest.raises(RuntimeError), untouched(noisy):
        noisy.losses()
        noisy.body[0].weight.data.zero_()
        raise RuntimeError
    assert all(torch.equal(value, before[name]) for name, value in noisy.state_dict().items())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
        (torch.optim.Adam, {}),
        (torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.1}),
        (torch.optim.AdamW, {"weight_decay": 0.1}),
        (torch.optim.RMSprop, {}),
    ],
)
def test_the_first_order_form_tends_to_the_exact_one_as_steps_get_small(kind, options):
    errors = []
    for rate in (1e-2, 1e-4):
        model = Quadratic()
        optimizer = kind([model.theta], lr=rate, **options)
        for gradient in ([-1.0, 0.5], [-0.5, 1.0]):
            model.theta.grad = numbers(*gradient)
            optimizer.step()
        exact = affinity_by(model, optimizer, "optimizer")
        losses = model.losses()
        rows = [torch.stack([torch.autograd.grad(v, model.theta, retain_graph=True)[0] for v in losses.values])]
        step = virtual_step("optimizer", optimizer, [model.theta])
        first = affinity_of_falls(first_order_falls(rows, [model.theta], step), losses.means)
        errors.append(((first - exact).abs().max() / exact.abs().max()).item())
    assert errors[1] < 0.05 * errors[0] and errors[1] < 0.01
