"""Convergence in a training that somebody else runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from polytask import Task, UserError
from polytask.integrations import KeptPeaks

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
TASKS = [
    Task("sold", "binary"),
    Task("kind", "multiclass", classes=("a", "b", "c")),
    Task("price", "regression", metric="mae"),
]
TARGETS = {"sold": (X[:, 0] > 0).float(), "kind": X.argmax(1), "price": X.sum(1)}
IDS = torch.arange(40)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.trunk, self.dropout = nn.Linear(3, 8), nn.Dropout(0.5)
        self.heads = nn.ModuleDict({"sold": nn.Linear(8, 1), "kind": nn.Linear(8, 3), "price": nn.Linear(8, 1)})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.dropout(torch.relu(self.trunk(x)))
        outputs = {task: head(features) for task, head in self.heads.items()}
        return {task: values if task == "kind" else values[:, 0] for task, values in outputs.items()}


@pytest.fixture
def make() -> Callable[..., KeptPeaks]:
    def made(**options) -> KeptPeaks:
        options = {"patience": 2, "min_evaluations": 0, "teachers": 1, **options}
        return KeptPeaks(TASKS, lambda model, task: model(X)[task], **options)

    return made


def train(peaks: KeptPeaks, network: Network, values: dict[int, dict[str, float]], targets=TARGETS) -> list[list[str]]:
    """A step before every evaluation, of which the metrics are given."""
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    converged = []
    for step, metrics in values.items():
        torch.manual_seed(step)
        sum(peaks.losses(network(X), targets, IDS).values()).backward()
        optimizer.step()
        optimizer.zero_grad()
        converged.append(peaks.update(step, metrics, network))
    return converged


COURSE = {step: {"sold": sold, "kind": 0.1 * step, "price": 1.0} for step, sold in
          enumerate([0.6, 0.9, 0.8, 0.7, 0.6], 1)}  # fmt: skip


def test_losses_are_the_means_over_labels(make) -> None:
    outputs = {task: values.detach() for task, values in Network().eval()(X).items()}
    found = make().losses(outputs, TARGETS)
    assert found["sold"] == pytest.approx(
        nn.functional.binary_cross_entropy_with_logits(outputs["sold"], TARGETS["sold"])
    )
    torch.testing.assert_close(found["kind"], nn.functional.cross_entropy(outputs["kind"], TARGETS["kind"]))
    torch.testing.assert_close(found["price"], nn.functional.mse_loss(outputs["price"], TARGETS["price"]))
    partly = {"sold": TARGETS["sold"].clone(), "kind": TARGETS["kind"].clone(), "price": torch.full((40,), torch.nan)}
    partly["sold"][::2], partly["kind"][10:] = torch.nan, -100
    partial = make().losses(outputs, partly)
    assert set(partial) == {"sold", "kind"}
    torch.testing.assert_close(partial["kind"], nn.functional.cross_entropy(outputs["kind"][:10], TARGETS["kind"][:10]))
    odd = nn.functional.binary_cross_entropy_with_logits(outputs["sold"][1::2], TARGETS["sold"][1::2])
    torch.testing.assert_close(partial["sold"], odd)


def test_a_converged_task_learns_from_its_best_parameters(make) -> None:
    peaks, network = make(), Network()
    peaks_of = {}
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for step, metrics in COURSE.items():
        sum(peaks.losses(network(X), TARGETS, IDS).values()).backward()
        optimizer.step()
        optimizer.zero_grad()
        peaks_of[step] = network.eval()(X)["sold"].detach()
        network.train()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        converged = peaks.update(step, metrics, network)
        assert converged == (["sold"] if step == 4 else []) + (["price"] if step == 3 else [])
        assert network.training and all(torch.equal(v, before[n]) for n, v in network.state_dict().items())
    assert torch.equal(peaks.soft["sold"].outputs, peaks_of[2])
    outputs = {**network(X), "sold": peaks_of[2].requires_grad_()}
    (gradient,) = torch.autograd.grad(peaks.losses(outputs, TARGETS, IDS)["sold"], outputs["sold"])
    torch.testing.assert_close(gradient, torch.zeros(40), atol=1e-7, rtol=0)  # a binary soft loss keeps its entropy


def test_true_labels_have_no_influence_after_the_switch(make) -> None:
    peaks, network = make(), Network()
    train(peaks, network, COURSE)
    outputs, noise = network.eval()(X), {**TARGETS, "sold": 1 - TARGETS["sold"], "price": torch.randn(40)}
    found, noisy = peaks.losses(outputs, TARGETS, IDS), peaks.losses(outputs, noise, IDS)
    assert found["sold"] == noisy["sold"] and found["price"] == noisy["price"]


def test_direction_trivial_level_and_mixture(make) -> None:
    falling = {step: {"price": 2.0 - 0.1 * step} for step in range(1, 8)}
    assert not any(train(make(), Network(), falling))  # mae falls: it improves
    assert not any(train(make(trivial={"sold": 0.9}), Network(), {s: {"sold": v["sold"]} for s, v in COURSE.items()}))
    mixed, network = make(mixture=0.5), Network()
    train(mixed, network, COURSE)
    outputs = {task: values.detach() for task, values in network.eval()(X).items()}
    whole = make()
    whole.load_state_dict(mixed.state_dict())
    true = make().losses(outputs, TARGETS, IDS)["price"]
    expected = (true + whole.losses(outputs, TARGETS, IDS)["price"]) / 2
    torch.testing.assert_close(mixed.losses(outputs, TARGETS, IDS)["price"], expected)


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_it_goes_on_where_it_was(make, stop: int) -> None:
    peaks, network = make(teachers=2), Network()
    first = {step: values for step, values in COURSE.items() if step <= stop}
    rest = {step: values for step, values in COURSE.items() if step > stop}
    train(peaks, network, first)
    resumed, again = make(teachers=2), Network()
    again.load_state_dict(network.state_dict())
    resumed.load_state_dict(peaks.state_dict())
    assert train(peaks, network, rest) == train(resumed, again, rest)
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert set(resumed.soft) == {"sold", "price"}


def test_mistakes(make) -> None:
    with pytest.raises(UserError, match="mixture must be more than 0"):
        make(mixture=0.0)
    peaks, network = make(), Network()
    with pytest.raises(UserError, match="no output for task 'sold'"):
        peaks.losses({"sald": torch.zeros(40)}, TARGETS)
    train(peaks, network, COURSE)
    with pytest.raises(UserError, match=r"'sold' has converged.*ids"):
        peaks.losses(network(X), TARGETS)
