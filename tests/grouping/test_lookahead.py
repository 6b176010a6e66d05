"""What a step on one task does to the losses of all: known values, and nothing else touched."""

import pytest
import torch
from torch import nn

from polytask.grouping.affinity import affinity_of_losses, lookahead_losses, untouched

SLOPES = torch.tensor([[1.0, 2.0], [2.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
GOALS = torch.tensor([2.0, 1.0, -1.0], dtype=torch.float64)


class Quadratic(nn.Module):
    """``L_j = (a_j theta - b_j)^2 / 2``."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([0.5, -0.5], dtype=torch.float64))

    def losses(self) -> tuple[torch.Tensor, torch.Tensor]:
        values = (SLOPES @ self.theta - GOALS) ** 2 / 2
        return values, values.detach()


def test_affinity_of_the_worked_example():
    model = Quadratic()
    before, after = lookahead_losses(model, model.losses, [model.theta], learning_rate=0.05)
    assert before.tolist() == [3.125, 0.125, 0.5]
    expected = [[0.4375, 0, -0.890625], [0, 0.4375, 0.049375], [-0.1236, 0.19, 0.19]]
    torch.testing.assert_close(
        affinity_of_losses(before, after), torch.tensor(expected, dtype=torch.float64), atol=1e-12, rtol=0
    )


def test_weight_decay_is_part_of_the_step():
    model = Quadratic()
    _, after = lookahead_losses(model, model.losses, [model.theta], learning_rate=0.05, weight_decay=0.1)
    start = model.theta.detach().clone()
    for task, slope in enumerate(SLOPES):
        gradient = slope * (slope @ start - GOALS[task])
        model.theta.data = start - 0.05 * (gradient + 0.1 * start)
        torch.testing.assert_close(after[task], model.losses()[1])


def test_a_loss_near_zero_gives_nan_instead_of_an_explosion():
    affinity = affinity_of_losses(torch.tensor([1.0, 1e-13]), torch.tensor([[0.5, 1.0], [1.0, 0.0]]))
    assert affinity[:, 0].tolist() == [0.5, 0.0]
    assert affinity[:, 1].isnan().all()


def test_a_shared_parameter_that_no_task_uses_is_skipped():
    model = Quadratic()
    idle = nn.Parameter(torch.ones(3))
    with_idle = lookahead_losses(model, model.losses, [idle, model.theta], learning_rate=0.05)
    without = lookahead_losses(model, model.losses, [model.theta], learning_rate=0.05)
    assert all(torch.equal(one, other) for one, other in zip(with_idle, without, strict=True))


class Noisy(nn.Module):
    """Batch normalisation, dropout and two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5))
        self.heads = nn.Linear(6, 2)
        self.inputs = torch.randn(8, 3)

    def losses(self) -> tuple[torch.Tensor, torch.Tensor]:
        values = self.heads(self.body(self.inputs)).square().mean(0)
        return values, values.detach()


@pytest.fixture
def noisy() -> Noisy:
    torch.manual_seed(0)
    return Noisy()


def test_a_probe_leaves_parameters_buffers_and_random_state_bit_identical(noisy):
    before = {name: value.clone() for name, value in noisy.state_dict().items()}
    random = torch.get_rng_state()
    lookahead_losses(noisy, noisy.losses, list(noisy.body.parameters()), learning_rate=0.1)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in noisy.state_dict().items())
    assert all(parameter.grad is None for parameter in noisy.parameters())


def test_all_forward_passes_of_a_probe_drop_the_same_units(noisy):
    before, after = lookahead_losses(noisy, noisy.losses, list(noisy.body.parameters()), learning_rate=0.0)
    assert torch.equal(after, before.expand(2, 2))


def test_a_probe_that_fails_leaves_no_trace(noisy):
    before = {name: value.clone() for name, value in noisy.state_dict().items()}
    with pytest.raises(RuntimeError), untouched(noisy):
        noisy.losses()
        noisy.body[0].weight.data.zero_()
        raise RuntimeError
    assert all(torch.equal(value, before[name]) for name, value in noisy.state_dict().items())
