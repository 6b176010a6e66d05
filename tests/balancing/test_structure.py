"""How losses, representation and shared parameters hang together: the right gradients, or a refusal that says why."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import polytask as pt
from balancing.cases import Net, batch, gradients, make
from polytask.balancing import BALANCERS

METHODS = ["upgrad", "pcgrad", "db_mtl", "gradnorm", "mgda"]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("source", ["exact", "representation"])
def test_a_skip_connection_keeps_the_whole_gradient(source: str, name: str) -> None:
    options = {"gradients": source} if name in ("upgrad", "pcgrad", "mgda") else {}
    found = []
    for given in (False, True):
        torch.manual_seed(0)
        low, high, heads = nn.Linear(4, 5), nn.Linear(5, 5), [nn.Linear(10, 1), nn.Linear(5, 1)]
        x = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))
        hidden = low(x).tanh()
        features = high(hidden).tanh()
        losses = {
            "a": heads[0](torch.cat([features, hidden], 1)).square().mean(),
            "b": (heads[1](features) - x[:, :1]).square().mean(),
        }
        both = [*low.parameters(), *high.parameters()]
        balancer = make(name, **(options if given else {}))
        balancer.backward(losses, shared=both, **({"features": features} if given else {}))
        found.append(torch.cat([gradients(part) for part in (low, high, *heads)]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["upgrad", "pcgrad", "imtl_g", "mgda", "db_mtl", "gradnorm"])
@pytest.mark.parametrize("both", [False, True])
def test_several_outputs_of_one_node_are_several_representations(name: str, both: bool) -> None:
    """A mean and a deviation from one layer, of which one or both are given."""
    found = []
    for given in (False, True):
        torch.manual_seed(0)
        layer, heads = nn.Linear(4, 10), [nn.Linear(5, 1), nn.Linear(5, 1)]
        x = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))
        features, others = layer(x).chunk(2, 1)
        losses = {
            "a": (heads[0](features) - x[:, :1]).square().mean(),
            "b": (heads[1](others) - x[:, 1:2]).square().mean() + (0.0 if both else heads[1](features).square().mean()),
        }
        place = {"features": [features, others] if both else features}
        weights = make(name).backward(losses, shared=layer, **(place if given else {}))
        found.append(torch.cat([weights, *map(gradients, (layer, *heads))]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["upgrad", "pcgrad", "mgda", "gradnorm"])
@pytest.mark.parametrize("nonlinear", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_a_representation_that_is_made_from_another(name: str, nonlinear: bool, shared: bool) -> None:
    """As those of the stages of a network: the gradient of the second passes through the first."""
    found = []
    for given in (False, True):
        torch.manual_seed(0)
        low, high, heads = nn.Linear(4, 5), nn.Linear(5, 5), [nn.Linear(5, 1), nn.Linear(5, 1)]
        x = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))
        first = low(x).tanh()
        second = high(first).tanh()
        read = [part.sin() if nonlinear else part for part in (first, second)]
        losses = {
            "a": (heads[0](read[0]) - x[:, :1]).square().mean(),
            "b": 3 * (heads[1](read[1]) - x[:, 1:2]).square().mean(),
        }
        both = [*low.parameters(), *high.parameters()]
        places: dict[str, Any] = {"features": [first, second]} | ({"shared": both} if shared else {})
        weights = make(name).backward(losses, **(places if given else {"shared": both}))
        found.append(torch.cat([weights, *map(gradients, (low, high, *heads))]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["upgrad", "pcgrad"])
def test_a_tied_parameter_that_is_not_shared_counts_once(name: str) -> None:
    """It embeds the inputs, before the shared layer, and is a head's weight behind it."""
    found = []
    for balanced in (False, True):
        torch.manual_seed(0)
        embedding, middle, head = nn.Linear(4, 5, bias=False), nn.Linear(5, 5), nn.Linear(5, 1)
        x = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))
        features = middle(embedding(x)).tanh()
        losses = {"a": (features @ embedding.weight - x).square().mean(), "b": head(features).square().mean()}
        if balanced:
            make(name).backward(losses, shared=middle, features=features)
        else:
            torch.stack(list(losses.values())).sum().backward()
        found.append(gradients(embedding))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("source", ["exact", "representation"])
def test_a_linear_head_that_adds_what_it_reads_is_no_linear_layer(source: str) -> None:
    found = []
    for given in (False, True):
        torch.manual_seed(0)
        trunk, weight, head = nn.Linear(4, 5), nn.Parameter(torch.randn(5, 5)), nn.Linear(5, 1)
        features = trunk(torch.randn(12, 4, generator=torch.Generator().manual_seed(1))).tanh()
        losses = {"a": torch.addmm(features, features, weight).square().mean(), "b": head(features).square().mean()}
        own = {"features": features, "shared": trunk} if given else {"shared": trunk}
        weights = make("upgrad", **({"gradients": source} if given else {})).backward(losses, **own)
        if source == "exact":
            found.append(torch.cat([weights, gradients(trunk)]))
        else:  # other weights, with which the gradient has to agree
            torch.manual_seed(0)
            again, matrix, end = nn.Linear(4, 5), nn.Parameter(torch.randn(5, 5)), nn.Linear(5, 1)
            hidden = again(torch.randn(12, 4, generator=torch.Generator().manual_seed(1))).tanh()
            values = [torch.addmm(hidden, hidden, matrix).square().mean(), end(hidden).square().mean()]
            (weights @ torch.stack(values)).backward()
            torch.testing.assert_close(gradients(trunk), gradients(again), rtol=1e-4, atol=1e-6)
    if found:
        torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


class Checkpointed(nn.Module):
    def __init__(self, part: nn.Module, reentrant: bool) -> None:
        super().__init__()
        self.part, self.reentrant = part, reentrant

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = checkpoint(self.part, x.requires_grad_(), use_reentrant=self.reentrant)
        return found


@pytest.mark.parametrize("name", METHODS)
def test_reentrant_checkpoints_are_refused_and_others_are_not(name: str) -> None:
    for reentrant in (True, False):
        net, (x, y) = Net(), batch()
        trunk = net.trunk
        net.trunk = Checkpointed(trunk, reentrant)  # type: ignore[assignment]
        features, losses = net.losses(x, y)
        for extra in ({}, {"features": features}):
            if reentrant:
                with pytest.raises(pt.UserError, match="use_reentrant=False"):
                    make(name).backward(losses, shared=trunk.parameters(), **extra)
        if not reentrant:
            make(name).backward(losses, shared=trunk.parameters(), features=features)
            assert gradients(trunk).abs().sum() > 0


@pytest.mark.parametrize("name", METHODS)
def test_ways_to_give_the_shared_parameters(name: str) -> None:
    def found(make_shared: Any) -> Tensor:
        net = Net()
        _, losses = net.losses(*batch())
        make(name).backward(losses, shared=make_shared(net.trunk))
        return gradients(net)

    expected = found(lambda trunk: list(trunk.parameters()))
    for way in (
        lambda trunk: trunk,
        lambda trunk: trunk.named_parameters(),
        lambda trunk: [*trunk.parameters(), trunk[0].weight],
        lambda trunk: [*trunk.parameters(), nn.Parameter(torch.ones(2))],
    ):
        torch.testing.assert_close(found(way), expected, rtol=1e-5, atol=1e-7)


def test_one_parameter_is_one_parameter() -> None:
    net = Net()
    _, losses = net.losses(*batch())
    balancer = make("upgrad")
    balancer.backward(losses, shared=net.trunk[0].weight)
    balancer.backward(net.losses(*batch())[1], shared=[net.trunk[0].weight])
    assert net.trunk[0].weight.grad is not None and torch.isfinite(net.trunk[0].weight.grad).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_parameter_without_gradient_is_left_alone(name: str) -> None:
    net, unused = Net(), nn.Parameter(torch.ones(3))
    _, losses = net.losses(*batch())
    make(name).backward(losses, shared=[*net.trunk.parameters(), unused])
    assert unused.grad is None


def test_complex_parameters_work_as_pairs_of_real_ones() -> None:
    found = []
    for kind in (torch.cfloat, torch.float32):
        weight = nn.Parameter(torch.view_as_complex(torch.ones(3, 2)) if kind == torch.cfloat else torch.ones(3, 2))
        real = torch.view_as_real(weight) if kind == torch.cfloat else weight
        make("upgrad").backward({"a": real[:, 0].square().sum(), "b": -real.sum()}, shared=[weight])
        assert weight.grad is not None
        found.append(torch.view_as_real(weight.grad) if kind == torch.cfloat else weight.grad)
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    ("shared", "features", "says"),
    [
        (lambda net, f: Net().trunk.parameters(), lambda f: None, "not a copy"),
        (lambda net, f: [1.0], lambda f: None, "found float"),
        (lambda net, f: iter(()), lambda f: None, "empty after one pass"),
        (lambda net, f: None, lambda f: f.detach(), "no gradient"),
        (lambda net, f: None, lambda f: {"last_hidden_state": f}, "found dict"),
    ],
)
def test_what_cannot_be_used_is_refused(shared: Any, features: Any, says: str) -> None:
    net = Net()
    part, losses = net.losses(*batch())
    with pytest.raises(pt.UserError, match=says):
        make("upgrad").backward(losses, shared=shared(net, part), features=features(part))


def test_frozen_and_sparse_parameters_are_refused() -> None:
    net = Net()
    _, losses = net.losses(*batch())
    with pytest.raises(pt.UserError, match="none of the 4 parameters is trained"):
        make("upgrad").backward(losses, shared=net.trunk.requires_grad_(False))
    embedding = nn.Embedding(5, 3, sparse=True)
    read = embedding(torch.tensor([1, 2]))
    with pytest.raises(pt.UserError, match="sparse=False"):
        make("upgrad").backward({"a": read.sum(), "b": read.square().sum()}, shared=embedding)


def test_modules_and_names_are_shared_as_their_parameters() -> None:
    found = []
    for shared in (nn.Module.parameters, list, lambda trunk: dict(trunk.named_parameters())):
        net = Net()
        _, losses = net.losses(*batch())
        make("upgrad").backward(losses, shared=shared(net.trunk))
        found.append(gradients(net))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.mark.parametrize("given", [list, lambda losses: torch.stack(list(losses.values())), lambda losses: losses["a"]])
def test_losses_without_names_are_refused(given: Any) -> None:
    _, losses = Net().losses(*batch())
    with pytest.raises(pt.UserError, match="losses: expected scalar losses by task name"):
        make("equal").backward(given(losses))


@pytest.mark.parametrize("name", ["equal", "upgrad", "gradnorm"])
def test_a_graph_that_is_gone_is_reported(name: str) -> None:
    net = Net()
    features, losses = net.losses(*batch())
    sum(losses.values()).backward()
    with pytest.raises(
        pt.UserError, match=r"already been used by a backward pass; Balancer.backward replaces loss.backward"
    ):
        make(name).backward(losses, shared=net.trunk, features=features)


def test_a_first_step_without_all_tasks_is_reported() -> None:
    net, balancer = Net(), make("equal")
    _, losses = net.losses(*batch())
    balancer.backward({"a": losses["a"]})
    with pytest.raises(pt.UserError, match=r"'b' is not a task; known: a .*call bind with all of them"):
        balancer.backward(net.losses(*batch())[1])


def test_a_first_step_without_any_task_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.balancing.balancer.world_size", lambda: 2)
    with pytest.raises(pt.UserError, match="call bind with all tasks before it"):
        make("uw").backward({})


def test_a_loss_that_shares_nothing_is_reported_once() -> None:
    net, balancer = Net(), make("upgrad")
    with pytest.warns(UserWarning, match="loss of 'b' does not depend") as heard:
        for _ in range(2):
            features, losses = net.losses(*batch())
            losses["b"] = net.heads[1](features.detach()).square().mean()
            balancer.backward(losses, shared=net.trunk.parameters())
    assert len(heard) == 1


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize(
    ("loss", "says"),
    [(0.0, "leave out a task"), (torch.ones(4, requires_grad=True), r"shape \[4\]"), (torch.tensor(1), "real numbers")],
)
def test_losses_that_are_no_scalars(loss: Any, says: str, name: str) -> None:
    balancer = make(name)
    balancer.bind(["a", "b", "c"])
    with pytest.raises(pt.UserError, match=f"(?s)loss of 'b'.*{says}"):
        balancer.backward({"a": torch.ones((), requires_grad=True), "b": loss})


@pytest.mark.parametrize("name", BALANCERS)
def test_a_loss_of_one_element_is_a_scalar(name: str) -> None:
    found = []
    for shape in ((), (1,)):
        net, balancer = Net(), make(name)
        features, losses = net.losses(*batch())
        balancer.backward(
            {task: loss.reshape(shape) for task, loss in losses.items()},
            shared=net.trunk.parameters(), features=features,
        )  # fmt: skip
        found.append(gradients(net))
    assert torch.equal(*found)
